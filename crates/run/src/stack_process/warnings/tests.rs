use tokio::sync::mpsc::channel;
use tracing::subscriber::with_default;
use tracing::{info, warn};

use super::Warnings;

#[test]
fn a_warning_is_one_line_and_what_is_less_is_none() {
    let (lines, mut receiver) = channel(2);
    with_default(Warnings { lines }, || {
        info!("not worth a line");
        warn!(link = "tap0", error = %"gone", "the link failed");
        warn!("cannot connect from {}", "here");
        warn!("one more than wait");
    });
    assert_eq!(receiver.try_recv().as_deref(), Ok("the link failed (link tap0, error gone)"));
    assert_eq!(receiver.try_recv().as_deref(), Ok("cannot connect from here"));
    assert!(receiver.try_recv().is_err());
}
