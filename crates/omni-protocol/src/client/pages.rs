//! Whether there is another page of a list: cursors are followed until there is none, but not for ever.

use std::collections::HashSet;

use thiserror::Error;

/// Pages of one list at most.
const PAGES_MAX: usize = 1_000;

/// Walks the pages of one list.
#[derive(Debug, Default)]
pub struct Pagination {
    cursors: HashSet<String>,
}

/// A list that does not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PaginationError {
    #[error("after page {pages} its cursor leads back to a page that was read")]
    Repeats { pages: usize },
    #[error("it has more than {PAGES_MAX} pages")]
    TooMany,
}

impl Pagination {
    /// The cursor to ask for the next page with, given the one that came with a page; `None` when that was the last. An
    /// empty cursor is a cursor.
    ///
    /// # Errors
    /// The server gave that cursor before, or there are more than 1,000 pages.
    pub fn after(&mut self, next_cursor: Option<String>) -> Result<Option<String>, PaginationError> {
        let Some(cursor) = next_cursor else { return Ok(None) };
        if self.cursors.len() + 1 >= PAGES_MAX {
            return Err(PaginationError::TooMany);
        }
        if !self.cursors.insert(cursor.clone()) {
            return Err(PaginationError::Repeats { pages: self.cursors.len() + 1 });
        }
        Ok(Some(cursor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_where_no_cursor_is_given_and_where_one_comes_again() {
        let mut pages = Pagination::default();
        assert_eq!(pages.after(Some("a".into())), Ok(Some("a".into())));
        assert_eq!(pages.after(Some(String::new())), Ok(Some(String::new())));
        assert_eq!(pages.after(None), Ok(None));
        assert_eq!(pages.after(Some("a".into())), Err(PaginationError::Repeats { pages: 3 }));
    }

    #[test]
    fn a_list_whose_cursors_are_always_new_ends_too() {
        let mut pages = Pagination::default();
        let read = (0..).take_while(|n| pages.after(Some(n.to_string())).is_ok()).count();
        assert_eq!(read, PAGES_MAX - 1);
        assert_eq!(pages.after(Some("new".into())), Err(PaginationError::TooMany));
    }
}
