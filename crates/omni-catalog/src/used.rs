//! What was parsed of a list last, kept to be used again.

use std::collections::HashMap;
use std::sync::Arc;

/// The things used last, by the names they were asked for by, in two generations: when the young one is full it becomes the
/// old one, and what nobody asked for since is dropped with its compiled schema. Bounds memory without keeping order.
#[derive(Debug)]
pub(crate) struct Used<T> {
    young: HashMap<Box<str>, Arc<T>>,
    old: HashMap<Box<str>, Arc<T>>,
}

const GENERATION_MAX: usize = 256;

impl<T> Default for Used<T> {
    fn default() -> Self {
        Used { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<T> Used<T> {
    pub(crate) fn find(&mut self, name: &str) -> Option<Arc<T>> {
        if let Some(thing) = self.young.get(name) {
            return Some(Arc::clone(thing));
        }
        let thing = self.old.remove(name)?;
        self.keep(name, &thing);
        Some(thing)
    }

    pub(crate) fn keep(&mut self, name: &str, thing: &Arc<T>) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name.into(), Arc::clone(thing));
    }
}
