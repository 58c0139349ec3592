//! `vinedb search` compared with brute force over the vectors that `get --with-vectors` prints.

use serde_json::{Value, json};
use vinedb_tests::{GRAPH, Scratch, cosine, squared_l2};

use super::{WINES, cellar, embed, keys, vector};

/// Six points in a plane with what to filter by, as CSV.
const POINTS: &str = "\
key,vector,country,price,variety,organic
1,\"[0, 0]\",Italy,12.5,Barolo,true
2,\"[1, 0]\",Italy,40,Barbaresco,false
3,\"[0, 2]\",France,18,Chablis,true
4,\"[3, 3]\",France,,Chablis,false
five,\"[-4, 1]\",Spain,9,Rioja,true
six,\"[-4, -6]\",Spain,30,Cava,false
";

/// A database with [`POINTS`] in `points`, compared by squared distance, in an index of this kind.
pub(crate) fn points(index: &str) -> Scratch {
    let scratch = Scratch::new();
    let config = [
        "points",
        "--dimension",
        "2",
        "--metric",
        "l2",
        "--index",
        index,
    ];
    scratch.json("create", &config);
    scratch.write("points.csv", POINTS);
    let summary = scratch.json("import", &["points", "points.csv"]);
    assert_eq!(summary["added"], 6, "{summary}");
    scratch
}

fn all_points(scratch: &Scratch) -> Vec<Value> {
    let keys = [
        "points",
        "1",
        "2",
        "3",
        "4",
        "five",
        "six",
        "--with-vectors",
    ];
    let answer = scratch.json("get", &keys);
    answer["documents"].as_array().unwrap().clone()
}

/// The keys of documents that pass, nearest to `query` first.
fn nearest(documents: &[Value], query: &[f32], passes: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut found: Vec<(f64, Value)> = documents
        .iter()
        .filter(|document| passes(&document["metadata"]))
        .map(|document| {
            (
                squared_l2(query, &vector(document)),
                document["key"].clone(),
            )
        })
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, key)| key).collect()
}

#[test]
fn a_search_agrees_with_brute_force_over_the_stored_vectors() {
    let cellar = cellar();
    let text = "a light red for grilled fish";
    let query = embed(&[text], &["--query"]).remove(0);
    let answer = cellar.json(
        "search",
        &["wines", text, "-k", &WINES.to_string(), "--with-vectors"],
    );
    let matches = answer["matches"].as_array().unwrap();
    assert_eq!(matches.len(), WINES);
    let exact: Vec<f64> = matches
        .iter()
        .map(|found| cosine(&query, &vector(&found["document"])))
        .collect();
    assert!(
        exact.windows(2).all(|pair| pair[0] >= pair[1] - 1e-6),
        "closest first: {exact:?}"
    );
    for (found, exact) in matches.iter().zip(exact) {
        assert!(
            (found["score"].as_f64().unwrap() - exact).abs() < 1e-5,
            "{found} is at {exact}"
        );
        assert_eq!(found["score"], found["distance"]);
    }
    assert_eq!(answer["plan"]["strategy"], "exact", "{}", answer["plan"]);

    let five = cellar.json("search", &["wines", text, "-k", "5"]);
    assert_eq!(keys(&five), keys(&answer)[..5]);
    let first = &five["matches"][0]["document"];
    assert_eq!(first["metadata"]["name"], first["key"]);
    assert!(
        first["metadata"]["price"].is_string() && first["vector"].is_null(),
        "{first}"
    );
    let printed = cellar.run("search", &["wines", text, "-k", "1"]).ok();
    assert!(printed.stdout.contains(first["key"].as_str().unwrap()));
    assert!(
        printed
            .stdout
            .contains(first["metadata"]["price"].as_str().unwrap())
    );
    assert_eq!(printed.stderr, "");
}

#[test]
fn filters_pass_what_a_reader_of_the_rows_would_pass() {
    let scratch = points("auto");
    scratch.write("query.json", "[0.2, 0.1]");
    let documents = all_points(&scratch);
    let price = |fields: &Value| fields["price"].as_f64();
    type Passes<'a> = &'a dyn Fn(&Value) -> bool;
    let cases: [(&str, Passes<'_>); 7] = [
        (r#"{"country": "Italy"}"#, &|fields| {
            fields["country"] == "Italy"
        }),
        (r#"{"price": {"lt": 18}}"#, &|fields| {
            price(fields).is_some_and(|price| price < 18.0)
        }),
        (r#"{"variety": {"in": ["Barolo", "Rioja"]}}"#, &|fields| {
            fields["variety"] == "Barolo" || fields["variety"] == "Rioja"
        }),
        (r#"{"not": {"country": "Spain"}}"#, &|fields| {
            fields["country"] != "Spain"
        }),
        (
            r#"{"any": [{"country": "Spain"}, {"price": {"gte": 40}}]}"#,
            &|fields| {
                fields["country"] == "Spain" || price(fields).is_some_and(|price| price >= 40.0)
            },
        ),
        (r#"{"organic": true, "price": {"lte": 12.5}}"#, &|fields| {
            fields["organic"] == true && price(fields).is_some_and(|price| price <= 12.5)
        }),
        (r#"{"country": "Peru"}"#, &|_| false),
    ];
    for (filter, passes) in cases {
        let expected = nearest(&documents, &[0.2, 0.1], passes);
        let args = ["points", "--vector-file", "query.json", "--filter", filter];
        let answers = scratch.json("search", &args);
        assert_eq!(keys(&answers[0]), expected, "{filter}");
        let counted = scratch.json("count", &["points", "--filter", filter]);
        assert_eq!(counted["count"], expected.len(), "{filter}");
    }
    let deleted = scratch.json("delete", &["points", "--filter", r#"{"country": "Spain"}"#]);
    assert_eq!(deleted, json!({"deleted": 2}));
    assert_eq!(scratch.json("count", &["points"]), json!({"count": 4}));
}

#[test]
fn like_finds_the_neighbours_of_a_document_and_not_itself() {
    let scratch = points("auto");
    let documents = all_points(&scratch);
    for (position, key) in ["1", "2", "3", "4", "five", "six"].iter().enumerate() {
        let own = &documents[position];
        let mut expected = nearest(&documents, &vector(own), |_| true);
        expected.retain(|key| *key != own["key"]);
        let answer = scratch.json("search", &["points", "--like", key, "-k", "3"]);
        assert_eq!(keys(&answer), expected[..3], "like {key}");
    }
}

#[test]
fn search_parameters_reach_the_index_and_wrong_ones_are_named() {
    let scratch = points(GRAPH);
    scratch.write("query.json", "[[0.2, 0.1], [-5, 0]]");
    let documents = all_points(&scratch);
    for param in ["ef_search=64", "exact=true"] {
        let args = [
            "points",
            "--vector-file",
            "query.json",
            "-k",
            "6",
            "--param",
            param,
        ];
        let answers = scratch.json("search", &args);
        assert_eq!(
            keys(&answers[0]),
            nearest(&documents, &[0.2, 0.1], |_| true),
            "{param}"
        );
        assert_eq!(
            keys(&answers[1]),
            nearest(&documents, &[-5.0, 0.0], |_| true),
            "{param}"
        );
        // Whatever was asked for: a graph of a few vectors is scanned, as that is quicker than walking it.
        assert_eq!(answers[0]["plan"]["strategy"], "exact", "{param}");
    }
    let run = scratch.run("search", &["points", "--like", "1", "--param", "nprobe=4"]);
    assert!(
        run.error().contains("the kinds that take it are IVF"),
        "{run:?}"
    );
}

#[test]
fn a_radius_bounds_what_is_found() {
    let scratch = points("auto");
    scratch.write("query.json", "[0.2, 0.1]");
    let documents = all_points(&scratch);
    let within = |radius: f64| {
        let near = |key: &Value| {
            let own = documents.iter().find(|own| own["key"] == *key).unwrap();
            squared_l2(&[0.2, 0.1], &vector(own)) <= radius
        };
        let mut keys = nearest(&documents, &[0.2, 0.1], |_| true);
        keys.retain(near);
        keys
    };
    for radius in ["0.01", "3.7", "1000", "-1"] {
        let args = ["points", "--vector-file", "query.json", "--radius", radius];
        let found = keys(&scratch.json("search", &args)[0]);
        assert_eq!(found, within(radius.parse().unwrap()), "{radius}");
        let found = keys(&scratch.json("search", &[&args[..], &["-k", "2"]].concat())[0]);
        assert_eq!(
            found,
            within(radius.parse().unwrap())[..found.len()],
            "{radius}"
        );
    }
    assert_eq!(within(3.7).len(), 3);
}
