//! Paths to fields: names, with dots between them and backslashes before what is meant as it is.
//!
//! Invariant: every string is a path, and every list of names has one. A path never becomes part of SQL.

/// The names along `path`, at least one.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' => names.push(String::new()),
            '\\' => push(&mut names, characters.next().unwrap_or('\\')),
            other => push(&mut names, other),
        }
    }
    names
}

fn push(names: &mut [String], character: char) {
    if let Some(name) = names.last_mut() {
        name.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_divide_and_backslashes_protect() {
        assert_eq!(split("a.b"), ["a", "b"]);
        assert_eq!(split(r"a\.b.c"), ["a.b", "c"]);
        assert_eq!(split(r"a\\.b"), [r"a\", "b"]);
        assert_eq!(split(r"\any"), ["any"]);
        assert_eq!(split(r"tail\"), [r"tail\"]);
        assert_eq!(split(".."), ["", "", ""]);
        assert_eq!(split(r#"a "b"[0]$.*"#), [r#"a "b"[0]$"#, "*"]);
    }
}
