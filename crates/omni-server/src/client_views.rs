//! What clients without a session see otherwise than everybody, by who they are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use omni_catalog::{TooManyChanges, Visibility};
use tokio::time::Instant;

use crate::admission::AccountKey;
use crate::change_queue::ChangeQueue;

/// How long a client without a session sees what calls have shown it, after the last of them.
pub(crate) const VIEW_LASTS: Duration = Duration::from_secs(60 * 60);

/// Clients without a session that see something otherwise, at most. Of more, the one that would end first does.
const VIEWS_MAX: usize = 10_000;

/// The views of clients without a session: of whoever their token or their user is, else of their address.
#[derive(Debug, Default)]
pub(crate) struct ClientViews {
    /// How many there are, so that nobody takes the lock while there are none.
    count: AtomicUsize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    views: HashMap<AccountKey, Lasting>,
    listeners: HashMap<AccountKey, Vec<Weak<ChangeQueue>>>,
}

#[derive(Debug)]
struct Lasting {
    view: Arc<Visibility>,
    until: Instant,
}

impl ClientViews {
    pub(crate) fn of(&self, key: &AccountKey) -> Option<Arc<Visibility>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut table = self.table();
        let until = table.views.get(key)?.until;
        if until <= Instant::now() {
            self.end(&mut table, key);
            return None;
        }
        table.views.get(key).map(|lasting| lasting.view.clone())
    }

    /// When what a client sees otherwise ends; `None` where it sees nothing otherwise.
    pub(crate) fn until(&self, key: &AccountKey) -> Option<Instant> {
        self.table().views.get(key).map(|lasting| lasting.until)
    }

    /// Tells `listener` when what that client sees has changed, as long as somebody has it.
    pub(crate) fn listen(&self, key: &AccountKey, listener: &Arc<ChangeQueue>) {
        let mut table = self.table();
        let listeners = table.listeners.entry(key.clone()).or_default();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(listener));
    }

    /// A listener has gone.
    pub(crate) fn leave(&self, key: &AccountKey) {
        let mut table = self.table();
        if let Some(listeners) = table.listeners.get_mut(key) {
            listeners.retain(|listener| listener.strong_count() > 0);
            if listeners.is_empty() {
                table.listeners.remove(key);
            }
        }
    }

    pub(crate) fn change(
        &self,
        key: &AccountKey,
        change: impl FnOnce(&Visibility) -> Result<Option<Visibility>, TooManyChanges>,
    ) -> Result<(), TooManyChanges> {
        let mut table = self.table();
        let now = Instant::now();
        if table.views.get(key).is_some_and(|lasting| lasting.until <= now) {
            self.end(&mut table, key);
        }
        let nothing = Visibility::as_everybody();
        let changed = change(table.views.get(key).map_or(nothing, |lasting| &lasting.view))?;
        let Some(view) = changed else {
            if let Some(lasting) = table.views.get_mut(key) {
                lasting.until = now + VIEW_LASTS;
            }
            return Ok(());
        };
        if view.is_empty() {
            self.end(&mut table, key);
            return Ok(());
        }
        if table.views.len() >= VIEWS_MAX
            && !table.views.contains_key(key)
            && let Some((first, _)) = table.views.iter().min_by_key(|(_, lasting)| lasting.until)
        {
            let first = first.clone();
            self.end(&mut table, &first);
        }
        table.views.insert(key.clone(), Lasting { view: Arc::new(view), until: now + VIEW_LASTS });
        self.count.store(table.views.len(), Ordering::Release);
        tell(&table, key);
        Ok(())
    }

    /// The client sees what everybody does again.
    fn end(&self, table: &mut Table, key: &AccountKey) {
        if table.views.remove(key).is_some() {
            self.count.store(table.views.len(), Ordering::Release);
            tell(table, key);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(table: &Table, key: &AccountKey) {
    let listeners = table.listeners.get(key).into_iter().flatten();
    listeners.filter_map(Weak::upgrade).for_each(|listener| listener.lists_changed());
}
