//! Documents that are written from the code, so that they cannot tell another story.
//!
//! A test compares each with its file; `UPDATE=1 cargo test --test conclave_tests` writes it anew.

use clap::CommandFactory as _;
use conclave_actors::runtime::roster;
use conclave_domain::code::Code;

use crate::catalogue::METRICS;
use crate::cli::app::App;
use crate::http::refusal::Reason;

/// `docs/REFUSALS.md`: every reason code with its cause and its remedy, a section per family.
pub fn refusals_md() -> String {
    let mut text = String::from(
        "# Refusals\n\n\
         Every reason for which Conclave says no, or is told no.\n\
         A code is a promise to dashboards, alerts and scripts: codes are added, never renamed.\n\
         This page is written from `domain/code.rs`.\n",
    );
    let mut family = "";
    for &code in Code::ALL {
        let name = family_of(code);
        if name != family {
            family = name;
            text.extend(["\n## ", family, "\n\n", introduction(family)]);
            text.push_str("| code | cause | what to do |\n|---|---|---|\n");
        }
        let [cause, remedy] = [code.cause(), code.remedy()].map(|cell| cell.replace('|', "\\|"));
        text.extend(["| `", code.as_str(), "` | ", &cause, " | ", &remedy, " |\n"]);
    }
    text.push_str(&http_refusals());
    text
}

/// The reasons that are about a request over HTTP and not about what it asks for.
fn http_refusals() -> String {
    let mut text = String::from(
        "\n## Requests over HTTP\n\n\
         The request was refused before the council saw it, or nobody could answer it. Written from \
         `src/http/refusal.rs`; a command that safety or a gate denies is answered with 409 and a code from above. \
         `conclave_http_refusals_total` counts them all.\n\n\
         | code | status | cause | what to do |\n|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let status = reason.status().as_u16().to_string();
        let [cause, remedy] = [reason.cause(), reason.remedy()];
        text.extend(["| `", reason.code(), "` | ", &status, " | ", cause, " | ", remedy, " |\n"]);
    }
    text
}

/// `docs/METRICS.md`: every metric with its kind, its labels and what it says.
pub fn metrics_md() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         What `/metrics` shows, in the exposition format of Prometheus.\n\
         A name is a promise to dashboards and alerts. This page is written from `src/catalogue.rs`;\n\
         `ops/grafana.json` shows each of them, `ops/alerts.yml` says when to worry.\n\n\
         | metric | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let labels = metric.labels.join(", ");
        text.extend([
            "| `",
            metric.name,
            "` | ",
            &kind,
            " | ",
            &labels,
            " | ",
            metric.help,
            " |\n",
        ]);
    }
    text
}

/// What stands before the dot.
fn family_of(code: Code) -> &'static str {
    let text = code.as_str();
    text.split_once('.').map_or(text, |(family, _)| family)
}

/// Who says no in this family, and when; nothing for a family that explains itself.
fn introduction(family: &str) -> &'static str {
    match family {
        "gate" => "A gate looked at the state before the order; the council was not asked.\n\n",
        "guardian" => "The Risk Guardian looked at the state after the order and vetoed it.\n\n",
        "round" => "The council was asked and did not say yes.\n\n",
        "safety" => {
            "Safety refused a consultation or an action, whatever the council said.\n\
             A stop of new risk never stops protective exits, cancels and what a person orders.\n\n"
        }
        "mode" => "The mode does not permit it.\n\n",
        "approval" => "A person was asked.\n\n",
        "size" => "Sizing left nothing of the order.\n\n",
        "order" => "The order was denied before it reached the broker.\n\n",
        "broker" => "The broker did not take the order, or could not.\n\n",
        "arena" => {
            "A market's rules refused a trade of the arena, or of a book from elsewhere (`arena rules`).\n\n"
        }
        "appeal" => "The appeal of a soft veto was not possible.\n\n",
        _ => "",
    }
}

/// The README's org chart: the roster, as a block of text.
pub fn org_chart_md() -> String {
    format!("```text\n{}```\n", roster::org_chart())
}

/// The README's table of verbs: the command line's own words, in its own order.
pub fn verbs_md() -> String {
    let mut text = String::from("| verb | what it does |\n|---|---|\n");
    for verb in App::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        text.extend(["| `", verb.get_name(), "` | ", &about.replace('|', "\\|"), " |\n"]);
    }
    text
}

/// `page` with what stands between the lines `<!-- name -->` and `<!-- /name -->` replaced by
/// `content`; nothing when the page lacks one of them.
pub fn with_section(page: &str, name: &str, content: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->\n"))?;
    let (_, after) = rest.split_once(&format!("<!-- /{name} -->"))?;
    Some(format!("{before}<!-- {name} -->\n{content}<!-- /{name} -->{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_nothing_around_it() {
        let page = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n";
        let expected = "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n";
        assert_eq!(with_section(page, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(with_section(expected, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(with_section(page, "y", "new\n"), None);
        assert_eq!(with_section("<!-- /x --><!-- x -->\n", "x", "new\n"), None);
    }

    #[test]
    fn each_family_has_one_section_and_each_code_one_row() {
        let text = refusals_md();
        let mut headings: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        let count = headings.len();
        headings.sort_unstable();
        headings.dedup();
        assert_eq!(headings.len(), count, "the codes of a family stand together");
        for code in Code::ALL {
            assert_eq!(text.matches(&format!("| `{}` |", code.as_str())).count(), 1, "{code}");
        }
        for reason in Reason::ALL {
            assert_eq!(text.matches(&format!("| `{}` |", reason.code())).count(), 1, "{reason:?}");
        }
    }
}
