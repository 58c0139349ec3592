//! Headless Chromium by the Chrome DevTools Protocol over a pipe: <https://chromedevtools.github.io/devtools-protocol/>.
//!
//! One browser for all tests, a tab for each. It ends when the pipe is closed, at the latest with the process of the tests.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use vinedb_tests::wait_for;

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// The pages are our own, so root may show them; nothing but them is to be loaded.
const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
];

/// A started browser and both ends of its pipe.
struct Browser {
    send: ChildStdin,
    receive: Receiver<Value>,
    /// Errors that pages reported, each with its session.
    errors: Vec<(String, Value)>,
    last_id: u64,
    _child: Child,
}

fn executable() -> PathBuf {
    let folders: Vec<PathBuf> =
        env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let candidates = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file()).expect(
        "no Chromium: run `make setup TOOLS=--test`, or install it, such as by `apt-get install chromium`; on the PATH it may be \
         named chromium, chromium-browser, google-chrome or google-chrome-stable",
    )
}

/// Chromium's arguments, with a profile of its own.
fn arguments(profile: &Path) -> Vec<OsString> {
    let mut data = OsString::from("--user-data-dir=");
    data.push(profile);
    ARGUMENTS
        .into_iter()
        .map(OsString::from)
        .chain([data])
        .collect()
}

fn browser() -> MutexGuard<'static, Browser> {
    static BROWSER: OnceLock<Mutex<Browser>> = OnceLock::new();
    let browser = BROWSER.get_or_init(|| Mutex::new(Browser::start()));
    browser.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Browser {
    /// The protocol wants file descriptors 3 and 4, which the shell makes of its standard input and output.
    fn start() -> Self {
        let profile = tempfile::tempdir().unwrap().keep();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", r#""$@" 3<&0 4>&1; rm -r -- "$0""#])
            .arg(&profile)
            .arg(executable())
            .args(arguments(&profile));
        shell.args(["--remote-debugging-pipe", "about:blank"]);
        let mut child = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let messages = BufReader::new(child.stdout.take().unwrap()).split(0);
        let (forward, receive) = channel();
        thread::spawn(move || {
            let messages = messages
                .map_while(Result::ok)
                .filter_map(|message| serde_json::from_slice(&message).ok());
            messages
                .into_iter()
                .try_for_each(|message: Value| forward.send(message))
        });
        let send = child.stdin.take().unwrap();
        Self {
            send,
            receive,
            errors: Vec::new(),
            last_id: 0,
            _child: child,
        }
    }

    /// Sends a command and waits for its answer: the result, or the protocol's error.
    fn call(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: &Value,
    ) -> Result<Value, Value> {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.send
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let answer = self.receive.recv_timeout(Duration::from_secs(60));
            let mut answer = answer.unwrap_or_else(|_| panic!("Chromium does not answer {method}"));
            if answer["id"] != self.last_id {
                self.note(&answer);
            } else if answer["error"].is_null() {
                return Ok(answer["result"].take());
            } else {
                return Err(answer["error"].take());
            }
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        let is_error = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => params["type"] == "error",
            Some("Log.entryAdded") => params["entry"]["level"] == "error",
            _ => false,
        };
        if is_error {
            self.errors.push((
                event["sessionId"].as_str().unwrap_or_default().to_owned(),
                params.clone(),
            ));
        }
    }
}

/// A tab of the browser.
pub(crate) struct Tab {
    session: String,
}

impl Tab {
    pub(crate) fn open() -> Self {
        let mut browser = browser();
        let target = browser
            .call(None, "Target.createTarget", &json!({"url": "about:blank"}))
            .unwrap();
        let params = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser
            .call(None, "Target.attachToTarget", &params)
            .unwrap();
        let tab = Self {
            session: attached["sessionId"].as_str().unwrap().to_owned(),
        };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser
                .call(Some(&tab.session), domain, &json!({}))
                .unwrap();
        }
        tab
    }

    fn call(&self, method: &str, params: &Value) -> Result<Value, Value> {
        browser().call(Some(&self.session), method, params)
    }

    /// Opens an address and waits until the page is there.
    pub(crate) fn go(&mut self, url: &str) {
        let gone = self.call("Page.navigate", &json!({"url": url})).unwrap();
        assert_eq!(gone.get("errorText"), None, "{url}");
        self.wait_until(&format!("location.href === {}", json!(url)));
    }

    /// The value of a script in the page.
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        self.try_eval(script)
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    fn try_eval(&self, script: &str) -> Result<Value, Value> {
        let mut done = self.call(
            "Runtime.evaluate",
            &json!({"expression": script, "returnByValue": true}),
        )?;
        match done["exceptionDetails"].take() {
            Value::Null => Ok(done["result"]["value"].take()),
            exception => Err(exception),
        }
    }

    /// Waits until a condition holds on a page that is whole. While a page gives way to the next, there is nothing to ask.
    pub(crate) fn wait_until(&mut self, condition: &str) {
        let script = format!("document.readyState === 'complete' && ({condition})");
        wait_for(condition, || {
            (self.try_eval(&script) == Ok(Value::Bool(true))).then_some(())
        });
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}))
            .unwrap();
    }

    pub(crate) fn press_enter(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"});
            self.call("Input.dispatchKeyEvent", &key).unwrap();
        }
    }

    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        self.call("Emulation.setDeviceMetricsOverride", &metrics)
            .unwrap();
        self.wait_until(&format!("innerWidth === {width}"));
    }

    /// Closes the tab, in which no page may have reported an error.
    pub(crate) fn finish(self) {
        self.call("Runtime.evaluate", &json!({"expression": "0"}))
            .unwrap();
        let browser = browser();
        let errors: Vec<&Value> = browser
            .errors
            .iter()
            .filter(|(session, _)| *session == self.session)
            .map(|(_, error)| error)
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

/// Saves a picture of a page in a window of this width and height.
pub(crate) fn picture(url: &str, (width, height): (u32, u32), path: &Path) {
    let profile = tempfile::tempdir().unwrap();
    let mut screenshot = OsString::from("--screenshot=");
    screenshot.push(path);
    let mut command = Command::new(executable());
    command
        .args(arguments(profile.path()))
        .arg(format!("--window-size={width},{height}"))
        .arg(screenshot)
        .arg(url);
    let run = command.output().unwrap();
    assert!(run.status.success() && path.is_file(), "{run:?}");
}
