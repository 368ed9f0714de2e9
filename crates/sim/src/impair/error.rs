//! What can be wrong with a description of a wire's faults: one line each, with the nearest word that would be right.

use thiserror::Error;

/// The words that a description may have, for error messages.
pub(super) const WORDS: &str = "delay, loss, duplicate, reorder, corrupt, rate, limit, ecn, slot";

/// What is wrong with a description, naming the word and what is allowed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ImpairmentError {
    /// There is no word at all.
    #[error("an empty impairment; allowed are {WORDS}, as in 'delay 20ms loss 1%', or a preset")]
    Empty,
    /// A word that is not known here.
    #[error("unknown word '{}' in an impairment{}; allowed are {WORDS}, or a preset at the beginning",
            word.escape_default(), meant(word))]
    UnknownWord {
        /// The word.
        word: String,
    },
    /// A word of netem's that is not supported.
    #[error("'{word}' is netem's but not supported here{}", instead(word))]
    Unsupported {
        /// The word.
        word: &'static str,
    },
    /// A word stands twice.
    #[error("'{word}' stands twice; give it once")]
    Twice {
        /// The word.
        word: &'static str,
    },
    /// A word without its value.
    #[error("'{word}' needs a value: {allowed}")]
    Missing {
        /// The word.
        word: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A value that cannot be read or is out of range.
    #[error("'{word} {}': {allowed}", value.escape_default())]
    BadValue {
        /// The word.
        word: &'static str,
        /// The value as given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Reordering without a delay to skip.
    #[error(
        "'reorder' lets packets skip the delay, so it needs one: add 'delay', as in 'delay 10ms reorder 25%'"
    )]
    ReorderWithoutDelay,
    /// A word that only changes another one, which is missing.
    #[error("'{word}' says more of '{of}', which is not there")]
    Without {
        /// The word.
        word: &'static str,
        /// What it belongs to.
        of: &'static str,
    },
    /// A preset that is not at the beginning.
    #[error("the preset '{name}' must stand first; words after it change it, as in '{name} delay 500ms'")]
    PresetNotFirst {
        /// The preset.
        name: &'static str,
    },
    /// A step of a schedule without its time.
    #[error("'{}': each step after ';' begins with its time, as in 'at 5s: loss 100%'", step.escape_default())]
    StepWithoutTime {
        /// The step.
        step: String,
    },
    /// A step of a schedule that is not later than the one before.
    #[error("'at {}': a step must be later than the one before it", time.escape_default())]
    StepTooEarly {
        /// The time as given.
        time: String,
    },
    /// Too many steps.
    #[error("a schedule has at most {0} steps")]
    TooManySteps(usize),
}

/// What a netem word is called here.
fn instead(word: &str) -> &'static str {
    match word {
        "seed" => "; give --seed",
        _ => "",
    }
}

/// The known word that the user may have meant.
fn meant(word: &str) -> String {
    let known = WORDS.split(", ").chain(super::preset::PRESETS.iter().map(|preset| preset.name));
    let nearest = known.map(|known| (strsim::damerau_levenshtein(known, word), known)).min();
    match nearest {
        // A third of the letters may be wrong.
        Some((distance, known)) if distance <= 1 || distance * 3 <= known.len() => {
            format!("; did you mean '{known}'?")
        }
        _ => String::new(),
    }
}
