//! Slots that are used again, and handles that never name the later value of a slot in place of an earlier one.

/// Names the value that was put into a slot. Once that was taken out, the handle names nothing: values that are put
/// there later have handles of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::pool) struct SlotHandle {
    index: u32,
    turn: u32,
}

impl SlotHandle {
    /// The number of the slot, from 0, for tables beside this one.
    pub(in crate::pool) fn index(self) -> usize {
        self.index as usize
    }
}

#[derive(Debug)]
struct Entry<T> {
    turn: u32,
    value: Option<T>,
}

/// Values by handle. A slot that has come free is used before a new one is made.
#[derive(Debug)]
pub(super) struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub(super) fn insert(&mut self, value: T) -> SlotHandle {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { turn: 0, value: None });
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        let entry = &mut self.entries[index as usize];
        entry.value = Some(value);
        SlotHandle { index, turn: entry.turn }
    }

    pub(super) fn get(&self, handle: SlotHandle) -> Option<&T> {
        let entry = self.entries.get(handle.index())?;
        entry.value.as_ref().filter(|_| entry.turn == handle.turn)
    }

    pub(super) fn get_mut(&mut self, handle: SlotHandle) -> Option<&mut T> {
        let entry = self.entries.get_mut(handle.index())?;
        entry.value.as_mut().filter(|_| entry.turn == handle.turn)
    }

    pub(super) fn remove(&mut self, handle: SlotHandle) -> Option<T> {
        let entry = self.entries.get_mut(handle.index()).filter(|entry| entry.turn == handle.turn)?;
        let value = entry.value.take()?;
        entry.turn = entry.turn.wrapping_add(1);
        self.free.push(handle.index);
        Some(value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotHandle, &T)> {
        self.entries.iter().zip(0_u32..).filter_map(|(entry, index)| {
            let handle = SlotHandle { index, turn: entry.turn };
            entry.value.as_ref().map(|value| (handle, value))
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SlotHandle, &mut T)> {
        self.entries.iter_mut().zip(0_u32..).filter_map(|(entry, index)| {
            let handle = SlotHandle { index, turn: entry.turn };
            entry.value.as_mut().map(|value| (handle, value))
        })
    }

    /// The handle of the first value that is looked for.
    pub(super) fn find(&self, mut wanted: impl FnMut(&T) -> bool) -> Option<SlotHandle> {
        self.iter().find(|(_, value)| wanted(value)).map(|(handle, _)| handle)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_again_and_the_former_handle_names_nothing() {
        let mut slots = Slots::default();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(second.index(), first.index());
        assert_eq!((slots.get(first), slots.get(second)), (None, Some(&"second")));
        assert_eq!((slots.remove(first), slots.len()), (None, 1));
    }
}
