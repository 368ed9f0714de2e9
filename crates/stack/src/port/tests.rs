use super::*;
use std::vec::Vec;
