//! Succeed: ends its flow.

use super::{Common, Reading, StateKind};

pub(super) const fn read(_: &mut Reading<'_, '_, '_, '_>) -> (StateKind, Common) {
    let common = Common {
        transition: false,
        output: true,
        assign: false,
        handlers: false,
    };
    (StateKind::Succeed, common)
}
