//! Lists in pages (2026-07-28, pagination). A cursor stands for the last member before its page, so it is the same on every replica and
//! for as long as that member is there; what is not a cursor of the set in force is refused.

use crate::limits::Limits;
use base64::Engine as _;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listed {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
    /// `skills/list` (SEP-2640).
    Skills,
}

impl Listed {
    /// The name of the array in the result.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Skills => "skills",
        }
    }
}

/// A list, rendered.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Pages {
    pages: Vec<Page>,
    by_cursor: HashMap<String, usize>,
}

/// One page of a list.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Page {
    /// The members of a JSON array.
    pub members: String,
    /// Where to go on; none on the last page.
    pub next: Option<String>,
}

static EMPTY: Page = Page { members: String::new(), next: None };

impl Pages {
    /// Cuts a list into pages.
    #[must_use]
    pub fn new<'a>(listed: Listed, members: impl Iterator<Item = &'a str>, limits: &Limits) -> Self {
        let mut pages = Self::default();
        let (mut page, mut count, mut last) = (Page::default(), 0, "");
        for member in members {
            let full = count == limits.list_page_max || page.members.len() + member.len() > limits.list_page_bytes_max;
            if count > 0 && full {
                let cursor = cursor(listed, last);
                page.next = Some(cursor.clone());
                pages.pages.push(std::mem::take(&mut page));
                pages.by_cursor.insert(cursor, pages.pages.len());
                count = 0;
            }
            if count > 0 {
                page.members.push(',');
            }
            page.members.push_str(member);
            count += 1;
            last = member;
        }
        pages.pages.push(page);
        pages
    }

    /// The page behind a cursor; without one, the first. None when it is not a cursor of this list.
    #[must_use]
    pub fn page(&self, cursor: Option<&str>) -> Option<&Page> {
        let at = cursor.map_or(Some(0), |cursor| self.by_cursor.get(cursor).copied())?;
        Some(self.pages.get(at).unwrap_or(&EMPTY))
    }
}

fn cursor(listed: Listed, last: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(listed.member());
    digest.update([0]);
    digest.update(last);
    let digest: [u8; 32] = digest.finalize().into();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest.get(..15).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(count: usize, limits: &Limits) -> Vec<String> {
        let members: Vec<String> = (0..count).map(|at| format!("\"{at}\"")).collect();
        let pages = Pages::new(Listed::Tools, members.iter().map(String::as_str), limits);
        let (mut shown, mut cursor) = (Vec::new(), None);
        loop {
            let page = pages.page(cursor.as_deref()).unwrap();
            shown.push(page.members.clone());
            cursor = page.next.clone();
            if cursor.is_none() {
                return shown;
            }
        }
    }

    #[test]
    fn every_member_is_on_one_page() {
        let limits = Limits { list_page_max: 2, ..Limits::default() };
        assert_eq!(walk(0, &limits), [""]);
        assert_eq!(walk(2, &limits), ["\"0\",\"1\""]);
        assert_eq!(walk(5, &limits), ["\"0\",\"1\"", "\"2\",\"3\"", "\"4\""]);
        let limits = Limits { list_page_bytes_max: 4, ..Limits::default() };
        assert_eq!(walk(2, &limits), ["\"0\"", "\"1\""]);
    }

    #[test]
    fn what_was_not_handed_out_is_refused() {
        let limits = Limits { list_page_max: 1, ..Limits::default() };
        let tools = Pages::new(Listed::Tools, ["1", "2"].into_iter(), &limits);
        let prompts = Pages::new(Listed::Prompts, ["1", "2"].into_iter(), &limits);
        let cursor = tools.page(None).unwrap().next.clone().unwrap();
        assert_eq!(tools.page(Some(&cursor)).unwrap().members, "2");
        for (pages, cursor) in [(&prompts, cursor.as_str()), (&tools, ""), (&tools, "1"), (&tools, "bm90IGEgY3Vyc29y")] {
            assert_eq!(pages.page(Some(cursor)), None, "{cursor}");
        }
    }
}
