//! The page's style sheet, which stands in the page itself, and the hash by which a browser knows that it
//! is ours: the first paint waits for no second request, and the policy stays strict.

use maud::{Markup, PreEscaped, html};

use crate::adapters::csp_hash::source_of;

/// The style sheet.
pub(super) const STYLE: &str = include_str!("app.css");

/// The sheet as it stands in a page, byte for byte what is hashed.
pub(super) fn sheet() -> Markup {
    html! { style { (PreEscaped(STYLE)) } }
}

/// What a content security policy says of the sheet.
pub(in crate::http) fn source() -> String {
    source_of(STYLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what the policy allows is what the page holds: a tag around it that changed one byte would
    /// leave a page without any style.
    #[test]
    fn the_page_holds_the_sheet_that_is_hashed() {
        let page = sheet().into_string();
        assert_eq!(page, format!("<style>{STYLE}</style>"));
        assert!(!STYLE.contains("</"), "nothing in it ends the tag");
    }
}
