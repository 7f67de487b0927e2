//! Whose state a worker keeps: the key that a call carries.

use std::sync::Arc;

use omni_call::AffinityKey;

use super::scheduler::StateKey;

impl StateKey for Arc<AffinityKey> {
    fn is_shared(&self) -> bool {
        self.session.is_none()
    }
}
