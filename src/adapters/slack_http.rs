//! Slack's incoming webhook: one way out, nothing comes back but `ok`.
//!
//! The hook's address is the secret. It lives in a [`Key`] and is named in no error.

use std::fmt;
use std::time::Duration;

use conclave_actors::notifier::port::{Courier, Delivery, Undelivered};
use conclave_domain::notify::outbox::Parcel;
use conclave_domain::notify::rich::{Rich, Style};
use conclave_domain::notify::{Matter, Notice};
use reqwest::Client;
use serde_json::{Value, json};

use super::model_http::{Key, ModelError, address};
use super::webhook_http::{left_out, post};

/// Where the hook's address is found.
pub const URL_ENV: &str = "SLACK_WEBHOOK_URL";
/// Characters of one section, with room for what escaping adds to the last one.
const SECTION_MAX: usize = 2_900;
/// Sections of one message: about 13,000 characters in all are taken.
const SECTIONS_MAX: usize = 4;
/// UTF-16 units that one message gathers: escaped they may be five times as many characters.
const ROOM: usize = 2_500;

/// A channel that a hook leads to.
#[derive(Clone)]
pub struct Slack {
    client: Client,
    url: Key,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slack(..)")
    }
}

impl Slack {
    /// The channel behind a hook's address.
    ///
    /// # Errors
    /// When the address is not taken, or no client could be made.
    pub fn new(url: Key) -> Result<Self, ModelError> {
        let parsed = address(url.reveal(), "")?;
        Ok(Self { client: super::model_http::client(&parsed)?, url })
    }
}

impl Courier for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn room(&self) -> usize {
        ROOM
    }

    fn deliver(&self, parcel: Parcel) -> Delivery {
        let slack = self.clone();
        Box::pin(async move {
            let body = message(&parcel).to_string();
            post(&slack.client, &slack.url, (body, &[]), Duration::from_secs(15)).await
        })
    }
}

/// The body of a message: sections of escaped text, and a line for notifications of phones.
fn message(parcel: &Parcel) -> Value {
    let mut sections: Vec<String> = Vec::new();
    for notice in &parcel.notices {
        let shown = shown(notice);
        for piece in shown.pieces(SECTION_MAX / 5) {
            let text = mrkdwn(&piece);
            match sections.last_mut() {
                Some(last) if last.len() + text.len() + 2 <= SECTION_MAX => {
                    last.push_str("\n\n");
                    last.push_str(&text);
                }
                _ => sections.push(text),
            }
        }
    }
    let is_cut = sections.len() > SECTIONS_MAX;
    sections.truncate(SECTIONS_MAX);
    sections.extend(is_cut.then(|| "…".to_owned()));
    sections.extend(left_out(parcel.left_out));
    let first = parcel.notices.first().map(|notice| notice.text.shortened(150));
    let fallback = escape(first.unwrap_or_default().text());
    let block = |text: &String| json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}});
    let blocks: Vec<Value> = sections.iter().map(block).collect();
    json!({"text": fallback, "blocks": blocks})
}

/// A hook cannot be answered: what waits for a person says where to.
fn shown(notice: &Notice) -> Rich {
    match &notice.matter {
        Matter::Asks { decision, .. } => {
            let how = format!("conclave approvals approve {decision}");
            notice.text.clone().line().plain("answer with ").code(&how)
        }
        Matter::Plain | Matter::Ends { .. } => notice.text.clone(),
    }
}

/// Text with Slack's marks. A mark around a text that holds the same sign would end early, so it is left
/// out there; whatever a word looks like it mentions and links nobody.
fn mrkdwn(text: &Rich) -> String {
    let mut out = String::new();
    text.each(|style, part| {
        let sign = match style {
            Some(Style::Bold) => "*",
            Some(Style::Code) => "`",
            None => "",
        };
        let is_marked = !sign.is_empty() && !part.contains(sign) && !part.contains('\n');
        let sign = if is_marked { sign } else { "" };
        out.extend([sign, &escape(part), sign]);
    });
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a status of a hook means.
pub(super) fn refusal(status: u16, after: Option<Duration>, text: &str) -> Undelivered {
    let why = format!("the hook answered {status}: {text}");
    match status {
        408 | 425 | 429 | 500..=599 => Undelivered::Later { after, why },
        _ => Undelivered::Never { why },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conclave_domain::notify::Kind;
    use conclave_domain::time::Time;

    use super::*;

    fn parcel(texts: Vec<Rich>, left_out: u64) -> Parcel {
        let notice = |text| Arc::new(Notice::new(Kind::Fills, Time::EPOCH, text));
        Parcel { notices: texts.into_iter().map(notice).collect(), left_out }
    }

    #[test]
    fn text_is_escaped_and_marked_and_mentions_nobody() {
        let text = Rich::of("<!channel> a&b ").bold("BUY 10").plain(" ").bold("2*3").code("id");
        let body = message(&parcel(vec![text], 3));
        let section = body["blocks"][0]["text"]["text"].as_str().unwrap();
        assert_eq!(section, "&lt;!channel&gt; a&amp;b *BUY 10* 2*3`id`");
        assert_eq!(body["blocks"][0]["text"]["verbatim"], true);
        assert!(body["blocks"][1]["text"]["text"].as_str().unwrap().contains('3'), "{body}");
        assert!(!body["text"].as_str().unwrap().contains('<'));
    }

    #[test]
    fn a_message_keeps_to_the_limits_whatever_is_said() {
        let long = "<&>".repeat(3_000);
        let body = message(&parcel(vec![Rich::of(&long), Rich::of(&long)], 0));
        let blocks = body["blocks"].as_array().unwrap();
        let lengths: Vec<usize> =
            blocks.iter().map(|block| block["text"]["text"].as_str().unwrap().len()).collect();
        assert!(blocks.len() <= 50 && lengths.iter().all(|length| *length <= 3_000), "{lengths:?}");
        assert!(lengths.iter().sum::<usize>() <= 13_000);
    }

    #[test]
    fn what_waits_says_where_it_is_answered() {
        let asks =
            Matter::Asks { decision: "AAA-1".to_owned(), expires_at: Time::from_ms(i64::MAX) };
        let notice = Notice::new(Kind::Approvals, Time::EPOCH, Rich::of("buy?"));
        let notices = vec![Arc::new(Notice { matter: asks, ..notice })];
        let body = message(&Parcel { notices, left_out: 0 });
        assert!(body.to_string().contains("conclave approvals approve AAA-1"), "{body}");
    }
}
