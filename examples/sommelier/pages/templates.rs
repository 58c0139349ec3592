//! The page templates, compiled into the program. Their names end in `.html`, so minijinja escapes what they insert.

use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig};

const SOURCES: [(&str, &str); 5] = [
    ("base.html", include_str!("base.html")),
    ("form.html", include_str!("form.html")),
    ("welcome.html", include_str!("welcome.html")),
    ("results.html", include_str!("results.html")),
    ("message.html", include_str!("message.html")),
];

/// All templates. One that inserts a value that a page does not give fails, rather than leave a hole.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.expect("Jinja's own marks are a syntax"));
    for (name, source) in SOURCES {
        environment
            .add_template(name, source)
            .expect("the shipped templates compile: a test renders them all");
    }
    environment
}
