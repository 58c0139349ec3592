//! The sommelier's page in real headless Chromium, driven by its debugging protocol over a pipe.
//!
//! `VINEDB_SCREENSHOT=docs/sommelier.png cargo test -p vinedb-tests --test vinedb browser::` takes the picture of the
//! documentation anew (the path is relative to the repository).

mod chromium;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    thread,
};

use serde_json::{Value, json};

use chromium::Tab;

const QUESTION: &str = "a light red for grilled fish under 20 dollars";
const OTHER: &str = "something sweet with blue cheese";

/// The running sommelier. All tests share it, since embedding its list takes seconds.
struct Site {
    url: String,
    /// The server ends when this is closed, at the latest with the tests.
    _stdin: ChildStdin,
    _server: Child,
}

/// The shell ends the server and clears up once its input is closed, however the process of the tests ends.
const SHELL: &str = r#""$@" & read -r end; kill $!; wait $!; rm -r -- "$0""#;

fn site() -> &'static Site {
    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SHELL])
            .arg(&folder)
            .arg(vinedb_tests::sommelier());
        shell
            .args(["serve", "--addr", "127.0.0.1:0", "--db"])
            .arg(folder.join("db"));
        shell.env("VINEDB_HOME", vinedb_tests::home());
        let mut server = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let url = lines.find_map(|line| Some(line[line.find("http://")?..].to_owned()));
        let url = url.expect("the sommelier says where it serves");
        thread::spawn(move || lines.for_each(drop));
        Site {
            url: url.trim_end_matches(['/', ' ']).to_owned(),
            _stdin: server.stdin.take().unwrap(),
            _server: server,
        }
    })
}

/// A tab on the welcome page.
fn welcome() -> Tab {
    let mut tab = Tab::open();
    tab.go(&format!("{}/", site().url));
    tab
}

/// Types a question into the form and sends it, as a person does.
fn ask(tab: &mut Tab, question: &str) {
    tab.eval("document.querySelector('form[role=search] input[name=q]').select()");
    tab.type_text(question);
    tab.press_enter();
    let asked = json!(question);
    tab.wait_until(&format!("location.pathname === '/search' && new URLSearchParams(location.search).get('q') === {asked}"));
}

/// What the page says of each wine.
fn wines(tab: &mut Tab) -> Vec<Value> {
    let script = "[...document.querySelectorAll('article.wine')].map(wine => {
        const text = name => wine.querySelector(name)?.innerText?.trim() ?? null;
        return {name: text('.name a'), link: wine.querySelector('.name a')?.href ?? null, varietal: text('.varietal'),
                location: text('.location'), price: text('.price'), sentence: text('.sentence'), score: text('.score')};
    })";
    tab.eval(script).as_array().unwrap().clone()
}

fn names(wines: &[Value]) -> HashSet<&str> {
    wines
        .iter()
        .map(|wine| wine["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_question_in_the_form_brings_five_whole_wines() {
    let mut tab = welcome();
    ask(&mut tab, QUESTION);
    let wines = wines(&mut tab);
    assert_eq!((wines.len(), names(&wines).len()), (5, 5), "{wines:?}");
    let mut last = f64::INFINITY;
    for wine in &wines {
        let text = |field: &str| wine[field].as_str().unwrap_or_default();
        for field in ["name", "varietal", "location", "sentence"] {
            assert!(text(field).len() > 2, "{field}: {wine}");
        }
        assert!(text("link").starts_with("http"), "{wine}");
        let price: f64 = text("price").trim_start_matches('$').parse().unwrap();
        assert!(price > 0.0 && price < 20.0, "{wine}");
        let score: f64 = text("score").parse().unwrap();
        assert!(score > 0.0 && score <= last, "{wine} after {last}");
        last = score;
    }
    tab.finish();
    take_screenshot();
}

#[test]
fn the_address_of_an_answer_can_be_shared() {
    let mut tab = welcome();
    ask(&mut tab, OTHER);
    let (address, first) = (tab.eval("location.href"), wines(&mut tab));
    tab.finish();
    let mut fresh = Tab::open();
    fresh.go(address.as_str().unwrap());
    assert_eq!(wines(&mut fresh), first);
    assert_eq!(
        fresh.eval("document.querySelector('input[name=q]').value"),
        OTHER
    );
    fresh.finish();
}

#[test]
fn going_back_shows_the_question_before() {
    let mut tab = welcome();
    ask(&mut tab, QUESTION);
    let first = wines(&mut tab);
    ask(&mut tab, OTHER);
    let second = wines(&mut tab);
    assert_ne!(names(&first), names(&second));
    tab.eval("history.back()");
    tab.wait_until(&format!(
        "new URLSearchParams(location.search).get('q') === {}",
        json!(QUESTION)
    ));
    assert_eq!(wines(&mut tab), first);
    // The box may keep what was typed last, as browsers do; what the page answers stands above the wines.
    let asked = tab.eval("document.querySelector('h1').textContent");
    assert!(asked.as_str().unwrap().contains(QUESTION), "{asked}");
    assert!(
        tab.eval("document.title")
            .as_str()
            .unwrap()
            .contains(QUESTION)
    );
    tab.eval("history.back()");
    tab.wait_until("location.pathname === '/'");
    tab.finish();
}

#[test]
fn markup_in_a_question_is_text() {
    let mut tab = welcome();
    let question = r#"<script>document.title = "taken"</script><b id=bold>"red"</b> & 'white'"#;
    ask(&mut tab, question);
    assert_eq!(
        tab.eval("document.querySelector('input[name=q]').value"),
        question
    );
    assert_eq!(
        tab.eval("document.querySelectorAll('script, #bold').length"),
        0
    );
    assert!(
        tab.eval("document.title")
            .as_str()
            .unwrap()
            .contains("<script>")
    );
    assert_eq!(wines(&mut tab).len(), 5);
    tab.finish();
}

#[test]
fn a_narrow_window_needs_no_sideways_scrolling() {
    let mut tab = welcome();
    tab.resize(360, 740);
    for _ in 0..2 {
        let widths = tab.eval("[document.documentElement.scrollWidth, innerWidth, document.querySelector('[type=submit]').getBoundingClientRect().right]");
        let [page, window, button] = [0, 1, 2].map(|at| widths[at].as_f64().unwrap());
        assert!(
            page <= window && button <= window && window == 360.0,
            "{widths}"
        );
        ask(&mut tab, QUESTION);
    }
    tab.finish();
}

/// Takes the picture of the documentation, when it is asked for.
fn take_screenshot() {
    let Some(path) = std::env::var_os("VINEDB_SCREENSHOT") else {
        return;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join(path);
    chromium::picture(
        &format!("{}/search?q={}", site().url, QUESTION.replace(' ', "+")),
        (1100, 1430),
        &path,
    );
}
