//! The tables: every mode and setting in full, and one line per kind for a reader in a hurry.

use serde_json::Value;
use vinedb_tests::measure::{median, spread, table};

use crate::{
    MODES,
    side::{Built, Pace},
};

/// The sides' recall is taken for equal up to this.
const EQUAL: f64 = 0.0005;
const MIB: f64 = (1 << 20) as f64;

/// One setting of a kind.
pub(crate) struct Measured {
    pub(crate) params: Value,
    pub(crate) recall: [f64; 2],
    /// Per turn, per mode, both sides.
    pub(crate) turns: Vec<[[Pace; 2]; MODES.len()]>,
}

/// One kind on one set of vectors.
pub(crate) struct Outcome {
    pub(crate) set: &'static str,
    pub(crate) factory: String,
    pub(crate) versions: [String; 2],
    pub(crate) builds: Vec<[Built; 2]>,
    pub(crate) settings: Vec<Measured>,
}

impl Measured {
    /// Queries per second.
    fn rate(&self, mode: usize, side: usize) -> f64 {
        median(self.turns.iter().map(|turn| 1.0 / turn[mode][side].clock))
    }

    fn ratios(&self, mode: usize) -> impl Iterator<Item = f64> {
        let turns = self.turns.iter();
        turns.map(move |turn| turn[mode][1].clock / turn[mode][0].clock)
    }

    /// The system counts processor time in coarse steps, so over all turns together.
    fn by_processor(&self, mode: usize) -> f64 {
        let sum = |side: usize| {
            self.turns
                .iter()
                .map(|turn| turn[mode][side].processor)
                .sum::<f64>()
        };
        sum(1) / sum(0)
    }

    /// How many times as many queries the second mode answers as the first, on our side.
    fn gain(&self, from: usize, to: usize) -> f64 {
        median(
            self.turns
                .iter()
                .map(|turn| turn[from][0].clock / turn[to][0].clock),
        )
    }

    fn equal(&self) -> bool {
        (self.recall[0] - self.recall[1]).abs() <= EQUAL
    }

    fn name(&self) -> String {
        let fields = self.params.as_object().into_iter().flatten();
        fields
            .map(|(name, value)| format!("{name} {value}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Outcome {
    /// The ratio at equal parameters, made up for the difference in recall by how FAISS's rate goes with its recall: along
    /// the stretch of its curve that is nearest.
    fn at_equal_recall(&self, setting: &Measured, mode: usize) -> f64 {
        let ratio = median(setting.ratios(mode));
        if setting.equal() {
            return ratio;
        }
        let settings = self.settings.iter();
        let mut curve: Vec<(f64, f64)> = settings
            .map(|one| (one.recall[1], one.rate(mode, 1).ln()))
            .collect();
        curve.sort_by(|one, other| one.0.total_cmp(&other.0));
        let gap = |span: &&[(f64, f64)]| {
            let [low, high] = [span[0].0, span[1].0];
            (setting.recall[0] - setting.recall[0].clamp(low, high)).abs()
        };
        let nearest = curve
            .windows(2)
            .filter(|span| span[1].0 > span[0].0)
            .min_by(|one, other| gap(one).total_cmp(&gap(other)));
        let slope = nearest.map_or(0.0, |span| {
            (span[1].1 - span[0].1) / (span[1].0 - span[0].0)
        });
        ratio * (slope * (setting.recall[1] - setting.recall[0])).exp()
    }

    fn build_ratio(&self, of: fn(&Built) -> f64) -> f64 {
        median(self.builds.iter().map(|both| of(&both[0]) / of(&both[1])))
    }

    fn build(&self, side: usize, of: fn(&Built) -> f64) -> f64 {
        median(self.builds.iter().map(|both| of(&both[side])))
    }
}

/// Building and every mode of every setting.
pub(crate) fn details(outcome: &Outcome) -> String {
    let head = [
        "parameters",
        "batch",
        "threads",
        "recall@10",
        "FAISS's",
        "vinedb, queries/s",
        "FAISS",
        "ratio (lowest to highest)",
        "by processor time",
        "at equal recall",
    ];
    let mut rows = Vec::new();
    for setting in &outcome.settings {
        for (place, mode) in MODES.iter().enumerate() {
            let equal = outcome.at_equal_recall(setting, place);
            rows.push(vec![
                setting.name(),
                mode.batch.to_string(),
                mode.threads.to_string(),
                format!("{:.4}", setting.recall[0]),
                format!("{:.4}", setting.recall[1]),
                format!("{:.0}", setting.rate(place, 0)),
                format!("{:.0}", setting.rate(place, 1)),
                spread(setting.ratios(place)),
                format!("{:.3}", setting.by_processor(place)),
                format!("{equal:.3}"),
            ]);
        }
    }
    format!(
        "### {}\n\n{}\n{}",
        outcome.factory,
        building(outcome),
        table(&head, &rows)
    )
}

fn building(outcome: &Outcome) -> String {
    let both = |of: fn(&Built) -> f64, unit: f64| {
        [0, 1].map(|side| format!("{:.1}", outcome.build(side, of) / unit))
    };
    let [ours, theirs] = both(|built| built.clock, 1.0);
    let [our_bytes, their_bytes] = both(|built| built.bytes, MIB);
    let [our_growth, their_growth] = both(|built| built.resident, MIB);
    format!(
        "Build: {ours} s, FAISS {theirs} s, ratio {:.3} ({:.3} by processor time). Memory: {our_bytes} MiB, FAISS's serialized {their_bytes} MiB, ratio {:.3}; the process grew by {our_growth} and {their_growth} MiB.\n",
        outcome.build_ratio(|built| built.clock),
        outcome.build_ratio(|built| built.processor),
        outcome.build_ratio(|built| built.bytes),
    )
}

/// One line per kind, at the middle setting; ratios at equal recall.
pub(crate) fn summary(outcomes: &[Outcome]) -> String {
    let head = [
        "vectors",
        "kind",
        "parameters",
        "recall@10, FAISS's",
        "one query at a time, queries/s",
        "ratio",
        "from two threads: ratio",
        "times one thread",
        "batches of 256: ratio",
        "on two threads",
        "build time",
        "memory",
    ];
    let versions = outcomes
        .first()
        .map(|outcome| outcome.versions.join(", "))
        .unwrap_or_default();
    let rows: Vec<Vec<String>> = outcomes.iter().map(line).collect();
    format!(
        "## Ratios to FAISS at equal recall ({versions})\n\n{}",
        table(&head, &rows)
    )
}

fn line(outcome: &Outcome) -> Vec<String> {
    let setting = &outcome.settings[outcome.settings.len() / 2];
    let ratio = |mode| format!("{:.2}", outcome.at_equal_recall(setting, mode));
    vec![
        outcome.set.to_owned(),
        format!("`{}`", outcome.factory),
        setting.name(),
        format!("{:.4}, {:.4}", setting.recall[0], setting.recall[1]),
        format!("{:.0}", setting.rate(0, 0)),
        ratio(0),
        ratio(1),
        format!("{:.2}", setting.gain(0, 1)),
        ratio(2),
        ratio(3),
        format!("{:.2}", outcome.build_ratio(|built| built.clock)),
        format!("{:.2}", outcome.build_ratio(|built| built.bytes)),
    ]
}
