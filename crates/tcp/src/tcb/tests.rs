use crate::{Embryo, Tcb, TimeWait};

/// A million idle connections, a flood of SYNs, a flood of closed connections: each record is this large.
#[test]
fn records_stay_small() {
    let sizes = (size_of::<Tcb>(), size_of::<Embryo>(), size_of::<TimeWait>());
    assert!(sizes.0 <= 256 && sizes.1 <= 48 && sizes.2 <= 28, "{sizes:?}");
}
