//! Comparisons with a number.

/// A comparison that a measured value has to satisfy: `< 0.01`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub limit: f64,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

/// A text that is no condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no comparison with a number")]
pub struct BadCondition;

impl Comparison {
    // the longer ones first: `<` is the beginning of `<=`
    const ALL: [Comparison; 6] = [
        Comparison::AtMost,
        Comparison::AtLeast,
        Comparison::Equal,
        Comparison::Unequal,
        Comparison::Below,
        Comparison::Above,
    ];

    fn sign(self) -> &'static str {
        match self {
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Equal => "==",
            Comparison::Unequal => "!=",
        }
    }
}

impl Condition {
    /// Whether a value satisfies it; what is no number satisfies nothing.
    pub fn holds(self, value: f64) -> bool {
        if value.is_nan() {
            return false;
        }
        match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
            Comparison::Equal => value == self.limit,
            Comparison::Unequal => value != self.limit,
        }
    }
}

impl std::str::FromStr for Condition {
    type Err = BadCondition;

    fn from_str(text: &str) -> Result<Self, BadCondition> {
        let text = text.trim();
        let found = Comparison::ALL
            .into_iter()
            .find_map(|comparison| Some((comparison, text.strip_prefix(comparison.sign())?)));
        let (comparison, rest) = found.ok_or(BadCondition)?;
        let limit: f64 = rest.trim().parse().map_err(|_| BadCondition)?;
        if limit.is_finite() { Ok(Self { comparison, limit }) } else { Err(BadCondition) }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.comparison.sign(), self.limit)
    }
}
