//! Text with marks: what is bold and what is code is said beside the text and not inside it, so that no
//! word of a model, a broker or the news can break or format a message.
//!
//! Offsets and lengths are counted in UTF-16 units, as the Bot API of Telegram counts them.

use serde::Serialize;

/// How a part of a text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Bold.
    Bold,
    /// In a fixed width: ids, commands.
    Code,
}

/// A part that is shown in a style.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// How.
    #[serde(rename = "type")]
    pub style: Style,
    /// Where it begins, UTF-16 units.
    pub offset: usize,
    /// How long it is, UTF-16 units; never zero.
    pub length: usize,
}

/// A text with marks. No control character but the line feed is in it, and none that turns the
/// direction of writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rich {
    text: String,
    spans: Vec<Span>,
}

/// Characters that show nothing and make text look like another: direction, joiners, marks of order.
const fn is_trick(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn clean(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| (!c.is_control() || *c == '\n') && !is_trick(*c))
}

/// How many UTF-16 units a text has.
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

impl Rich {
    /// A text without marks.
    pub fn of(text: &str) -> Self {
        Self::default().plain(text)
    }

    /// Adds text.
    #[must_use]
    pub fn plain(mut self, text: &str) -> Self {
        self.text.extend(clean(text));
        self
    }

    /// Adds bold text.
    #[must_use]
    pub fn bold(self, text: &str) -> Self {
        self.styled(Style::Bold, text)
    }

    /// Adds text of a fixed width.
    #[must_use]
    pub fn code(self, text: &str) -> Self {
        self.styled(Style::Code, text)
    }

    /// Begins a new line, unless nothing stands there yet.
    #[must_use]
    pub fn line(mut self) -> Self {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self
    }

    /// Adds another one.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let from = self.units();
        self.text.push_str(&other.text);
        let moved = other.spans.iter().map(|span| Span { offset: span.offset + from, ..*span });
        self.spans.extend(moved);
        self
    }

    fn styled(mut self, style: Style, text: &str) -> Self {
        let offset = self.units();
        self.text.extend(clean(text));
        let length = self.units() - offset;
        if length > 0 {
            self.spans.push(Span { style, offset, length });
        }
        self
    }

    /// The text alone.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The marks, in order, none over another.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Its length in UTF-16 units.
    pub fn units(&self) -> usize {
        units(&self.text)
    }

    /// Whether it says nothing.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// The text in pieces of at most `most` units, cut behind a line where one ends in the second half
    /// of a piece, and never within a character. No piece begins or ends with white space, because
    /// whoever shows it would cut it off and move the marks.
    pub fn pieces(&self, most: usize) -> Vec<Self> {
        // Two units at least, so that every character fits.
        let most = most.max(2);
        let mut pieces = Vec::new();
        let (mut from, end) = (0, self.text.len());
        while from < end {
            let rest = &self.text[from..];
            let to = from + cut(rest, most);
            let piece = self.part(from, to);
            if !piece.text.is_empty() {
                pieces.push(piece);
            }
            from = to;
        }
        pieces
    }

    /// The first piece of at most `most` units, with a mark where something was left out.
    #[must_use]
    pub fn shortened(&self, most: usize) -> Self {
        if self.units() <= most {
            return self.part(0, self.text.len());
        }
        let first = self.pieces(most.saturating_sub(2)).into_iter().next();
        first.unwrap_or_default().plain(" …")
    }

    /// The text between two places in bytes, without white space around it.
    fn part(&self, from: usize, to: usize) -> Self {
        let raw = &self.text[from..to];
        let text = raw.trim();
        let begin = from + (raw.len() - raw.trim_start().len());
        let low = units(&self.text[..begin]);
        let high = low + units(text);
        let within = |span: &Span| {
            let (start, end) = (span.offset.max(low), (span.offset + span.length).min(high));
            (start < end).then(|| Span {
                style: span.style,
                offset: start - low,
                length: end - start,
            })
        };
        Self { text: text.to_owned(), spans: self.spans.iter().filter_map(within).collect() }
    }

    /// Calls `with` for each part in order, with its style.
    pub fn each(&self, mut with: impl FnMut(Option<Style>, &str)) {
        let (mut at, mut byte) = (0, 0);
        let take = |units_wanted: usize, byte: &mut usize| {
            let (start, mut left) = (*byte, units_wanted);
            for c in self.text[start..].chars() {
                if left == 0 {
                    break;
                }
                left = left.saturating_sub(c.len_utf16());
                *byte += c.len_utf8();
            }
            &self.text[start..*byte]
        };
        for span in &self.spans {
            let before = take(span.offset.saturating_sub(at), &mut byte);
            if !before.is_empty() {
                with(None, before);
            }
            with(Some(span.style), take(span.length, &mut byte));
            at = span.offset + span.length;
        }
        if byte < self.text.len() {
            with(None, &self.text[byte..]);
        }
    }
}

/// Bytes of `rest` that make the next piece; at least one character of it.
fn cut(rest: &str, most: usize) -> usize {
    let (mut taken, mut end, mut line) = (0, 0, None);
    for c in rest.chars() {
        if taken + c.len_utf16() > most {
            return line.unwrap_or(end);
        }
        taken += c.len_utf16();
        end += c.len_utf8();
        if c == '\n' && taken > most / 2 {
            line = Some(end);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(rich: &Rich) -> Vec<(Option<Style>, String)> {
        let mut parts = Vec::new();
        rich.each(|style, text| parts.push((style, text.to_owned())));
        parts
    }

    #[test]
    fn marks_are_counted_in_utf_16_units() {
        let rich = Rich::of("🚀 ").bold("AAPL €").line().code("id");
        assert_eq!(rich.text(), "🚀 AAPL €\nid");
        let expected = [
            Span { style: Style::Bold, offset: 3, length: 6 },
            Span { style: Style::Code, offset: 10, length: 2 },
        ];
        assert_eq!(rich.spans(), expected);
        let told = parts(&rich);
        assert_eq!(told[1], (Some(Style::Bold), "AAPL €".to_owned()));
        assert_eq!(told.iter().map(|(_, text)| text.as_str()).collect::<String>(), rich.text());
    }

    #[test]
    fn what_turns_or_hides_text_is_left_out() {
        let rich = Rich::of("a\u{202e}b\u{200b}c\r\u{1b}[31m\nd\u{feff}").bold("\u{2066}");
        assert_eq!(rich.text(), "abc[31m\nd");
        assert!(rich.spans().is_empty(), "nothing is no mark");
    }

    #[test]
    fn a_long_text_is_cut_behind_a_line_and_its_marks_with_it() {
        let rich = Rich::of("one\ntwo ").bold("three").plain("\nfour");
        let pieces = rich.pieces(9);
        let texts: Vec<&str> = pieces.iter().map(Rich::text).collect();
        assert_eq!(texts, ["one\ntwo t", "hree\nfour"]);
        assert_eq!(pieces[0].spans(), [Span { style: Style::Bold, offset: 8, length: 1 }]);
        assert_eq!(pieces[1].spans(), [Span { style: Style::Bold, offset: 0, length: 4 }]);
        let lines = Rich::of("12345\n6789\nabc").pieces(8);
        assert_eq!(lines.iter().map(Rich::text).collect::<Vec<_>>(), ["12345", "6789\nabc"]);
        assert_eq!(Rich::of("  \n ").pieces(5), []);
        assert_eq!(Rich::of("12345678").shortened(6).text(), "1234 …");
        assert_eq!(Rich::of("123456").shortened(6).text(), "123456");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// No piece is too long or empty, no mark points outside of its piece, and nothing but white
        /// space is lost.
        #[test]
        fn pieces_are_whole(words in prop::collection::vec(("[a-z 🚀\n€]{0,12}", any::<bool>()), 0..20),
            most in 2_usize..40) {
            let rich = words.iter().fold(Rich::default(), |rich, (word, bold)| {
                if *bold { rich.bold(word) } else { rich.plain(word) }
            });
            let mut kept = String::new();
            for piece in rich.pieces(most) {
                prop_assert!(piece.units() <= most && !piece.text().is_empty());
                prop_assert_eq!(piece.text().trim(), piece.text());
                for span in piece.spans() {
                    prop_assert!(span.length > 0 && span.offset + span.length <= piece.units());
                }
                kept.push_str(piece.text());
            }
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(bare(&kept), bare(rich.text()));
            let mut told = String::new();
            rich.each(|_, text| told.push_str(text));
            prop_assert_eq!(told, rich.text());
        }
    }
}
