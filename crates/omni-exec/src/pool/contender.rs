//! What a pool gives up so that another pool of the same server, whose calls wait, can have a worker.

use std::sync::{Arc, Weak};

use super::driver::Driver;
use crate::shared_bounds::{Contender, ContenderShare};

/// Makes a pool known to the others.
pub(super) fn join(driver: &Arc<Driver>) {
    let own: Weak<Driver> = Arc::downgrade(driver);
    driver.config.shared.join(own);
}

impl Contender for Driver {
    fn share(&self) -> Option<ContenderShare> {
        let holds = self.lock().scheduler.share()?;
        Some(ContenderShare {
            workers: holds.workers,
            workers_min: self.config.workers_min,
            idle_since: holds.idle_since,
        })
    }

    fn give_up_idle(self: Arc<Self>) -> bool {
        self.step(|table| table.scheduler.give_up_idle())
    }

    fn give_up_next(&self) {
        self.lock().scheduler.give_up_next();
    }

    fn on_worker_permit_free(&self) {
        self.wake_autoscaler();
    }
}
