//! A browser over the `WebDriver` protocol, as far as these tests need one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::wait_for;

/// How often a condition of a page is looked at before it is given up, a fifth of a second apart.
const PATIENCE: u32 = 300;

/// A headless Chromium with one window. Closed when it is dropped.
pub(super) struct Browser {
    driver: Child,
    address: String,
    session: String,
}

/// Why no browser can be had.
pub(super) fn missing() -> Option<String> {
    if std::env::var_os("BROWSER").is_none() {
        return Some("BROWSER is not set".to_owned());
    }
    let found = Command::new("chromedriver").arg("--version").output();
    found.is_err().then(|| "there is no chromedriver; Debian's chromium-driver has it".to_owned())
}

impl Browser {
    /// Starts one; `width` and `height` of its window in CSS pixels.
    pub(super) fn start(width: u32, height: u32) -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut browser =
            Self { driver, address: format!("127.0.0.1:{port}"), session: String::new() };
        let mut looks = 0;
        while browser.exchange("GET", "/status", "").is_none() {
            looks += 1;
            assert!(looks < PATIENCE, "chromedriver does not answer");
            wait_for(Duration::from_millis(200));
        }
        // It looks up hosts of its maker otherwise, and nothing here leaves the machine.
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args}}}});
        let session = browser.ask("POST", "/session", &wanted);
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        browser.size(width, height);
        browser
    }

    /// One request; the driver keeps its connections open, so an answer ends where its length says.
    fn exchange(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        answer.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            line.clear();
            answer.read_line(&mut line).ok()?;
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut bytes = vec![0; length];
        answer.read_exact(&mut bytes).ok()?;
        Some((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Presses a key as a keyboard does: whatever has the focus gets it.
    pub(super) fn press(&self, key: &str) {
        let press = |what: &str| json!({"type": what, "value": key});
        let keys =
            json!({"type": "key", "id": "keys", "actions": [press("keyDown"), press("keyUp")]});
        self.here("POST", "/actions", &json!({"actions": [keys]}));
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let (status, text) = self.exchange(method, path, &body).expect("chromedriver answers");
        let mut answer: Value = serde_json::from_str(&text).expect("json");
        assert_eq!(status, 200, "{path}: {answer}");
        answer["value"].take()
    }

    fn here(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("{}{path}", self.session), body)
    }

    /// Sets the window's size.
    pub(super) fn size(&self, width: u32, height: u32) {
        self.here("POST", "/window/rect", &json!({"width": width, "height": height}));
    }

    /// Shows pages from now on as a phone of this size does, in CSS pixels: a window of the desktop is
    /// never that narrow.
    pub(super) fn phone(&self, width: u32, height: u32) {
        let params =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        let body = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": params});
        self.here("POST", "/goog/cdp/execute", &body);
    }

    /// Opens one more tab and goes there.
    pub(super) fn tab(&self) {
        let made = self.here("POST", "/window/new", &json!({"type": "tab"}));
        self.here("POST", "/window", &json!({"handle": made["handle"]}));
    }

    /// Opens an address.
    pub(super) fn open(&self, url: &str) {
        self.here("POST", "/url", &json!({"url": url}));
    }

    /// What a script returns in the page.
    pub(super) fn run(&self, script: &str) -> Value {
        self.here("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until a script in the page returns something that is not false, null, 0 or empty.
    #[track_caller]
    pub(super) fn wait(&self, what: &str, script: &str) -> Value {
        let mut looks = 0;
        loop {
            let found = self.run(&format!("return {script}"));
            let is_nothing = matches!(&found, Value::Null | Value::Bool(false))
                || found == json!(0)
                || found == json!("");
            if !is_nothing {
                return found;
            }
            looks += 1;
            if looks >= PATIENCE {
                self.picture("failed");
                panic!(
                    "{what} did not come; the page says {}",
                    self.run("return document.body.innerText")
                );
            }
            wait_for(Duration::from_millis(200));
        }
    }

    /// Clicks what a selector finds first.
    #[track_caller]
    pub(super) fn click(&self, selector: &str) {
        // Panels that come into view are laid out then and move what stands below them.
        for _ in 0..2 {
            self.run(&format!(
                "document.querySelector(`{selector}`)?.scrollIntoView({{block: 'center', behavior: 'instant'}})"
            ));
            wait_for(Duration::from_millis(50));
        }
        let found = self.element(selector);
        self.here("POST", &format!("/element/{found}/click"), &json!({}));
    }

    /// Types into what a selector finds first.
    #[track_caller]
    pub(super) fn enter(&self, selector: &str, text: &str) {
        let found = self.element(selector);
        self.here("POST", &format!("/element/{found}/value"), &json!({"text": text}));
    }

    fn element(&self, selector: &str) -> String {
        let using = json!({"using": "css selector", "value": selector});
        let found = self.here("POST", "/element", &using);
        let found = found.as_object().and_then(|it| it.values().next()?.as_str());
        found.expect("an element").to_owned()
    }

    /// Shows pages as `dark` or `light` from now on.
    pub(super) fn scheme(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let params = json!({"features": features});
        let body = json!({"cmd": "Emulation.setEmulatedMedia", "params": params});
        self.here("POST", "/goog/cdp/execute", &body);
    }

    /// Keeps a picture of the window below `target/browser`; with `UPDATE=1` those of the documents, which
    /// have the same names below `docs/images`, are made anew too.
    pub(super) fn picture(&self, name: &str) -> PathBuf {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser");
        std::fs::create_dir_all(&dir).expect("a directory");
        let found = self.here("GET", "/screenshot", &Value::Null);
        let bytes = base64(found.as_str().expect("a picture"));
        let path = dir.join(format!("{name}.png"));
        std::fs::write(&path, bytes).expect("a file");
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/images/{name}.webp"));
        if std::env::var_os("UPDATE").is_some() && shown.exists() {
            let params = json!({"format": "webp", "quality": 60});
            let body = json!({"cmd": "Page.captureScreenshot", "params": params});
            let found = self.here("POST", "/goog/cdp/execute", &body);
            std::fs::write(shown, base64(found["data"].as_str().expect("a picture")))
                .expect("a file");
        }
        path
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes its browser when it is asked to; killed, it would leave it behind.
        self.exchange("DELETE", &self.session, "");
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// A port that nobody has at this moment.
pub(super) fn free_port() -> u16 {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    bound.local_addr().expect("an address").port()
}

fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(value).collect();
    let whole = |four: &[u8]| {
        let bits = four.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(whole).collect()
}
