//! The key by which the pool's scheduler tells states apart: the affinity key of a call.

use std::sync::Arc;

use omni_call::AffinityKey;

use super::scheduler::StateKey;

impl StateKey for Arc<AffinityKey> {
    fn is_shared(&self) -> bool {
        self.session.is_none()
    }
}
