use crate::testing::Rig;
