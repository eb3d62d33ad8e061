//! What was spent, by whom and for what: a fold of the ledger, and the budgets over it.

use crate::record::Record;
use foureyes_config::sections::model::Budgets;
use foureyes_protocol::{Body, Code, FeatureId, Gate, ModelUse, PrincipalId, Reason, body::ModelUsed};
use std::{collections::BTreeMap, ops::AddAssign};

/// A sum of uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Requests that were answered.
    pub requests: u64,
    /// Tokens read that were in no cache.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens read from the cache.
    pub cache_read: u64,
    /// Tokens written into the cache.
    pub cache_write: u64,
    /// Millionths of a US dollar, of the requests that have a price.
    pub microusd: u64,
    /// Requests of models without a price.
    pub unpriced: u64,
}

impl Sum {
    /// All tokens.
    pub fn tokens(&self) -> u64 {
        self.input + self.output + self.cache_read + self.cache_write
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.microusd += other.microusd;
        self.unpriced += other.unpriced;
    }
}

impl From<&ModelUse> for Sum {
    fn from(used: &ModelUse) -> Self {
        Self {
            requests: 1,
            input: used.input_tokens,
            output: used.output_tokens,
            cache_read: used.cache_read_tokens,
            cache_write: used.cache_write_tokens,
            microusd: used.microusd.unwrap_or(0),
            unpriced: u64::from(used.microusd.is_none()),
        }
    }
}

impl From<&ModelUsed> for Sum {
    fn from(used: &ModelUsed) -> Self {
        Self {
            requests: used.requests,
            input: used.input_tokens,
            output: used.output_tokens,
            cache_read: used.cache_read_tokens,
            cache_write: used.cache_write_tokens,
            microusd: used.microusd.unwrap_or(0),
            unpriced: if used.microusd.is_none() { used.requests } else { 0 },
        }
    }
}

/// One line of the costs: who, for what, at which gate, with which model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Who.
    pub role: PrincipalId,
    /// For which feature.
    pub feature: Option<FeatureId>,
    /// At which gate it stood.
    pub gate: Option<Gate>,
    /// The model.
    pub model: String,
}

/// What the records say was spent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Every line with its sum.
    pub lines: BTreeMap<Line, Sum>,
}

impl Costs {
    /// Takes a record in.
    pub fn apply(&mut self, record: &Record) {
        let Body::ModelUsed(used) = &record.envelope.body else { return };
        let line = Line {
            role: used.role.clone(),
            feature: record.envelope.feature.clone(),
            gate: used.gate,
            model: used.model.clone(),
        };
        *self.lines.entry(line).or_default() += used.into();
    }

    /// Sums by a part of the line.
    pub fn by<K: Ord>(&self, key: impl Fn(&Line) -> K) -> BTreeMap<K, Sum> {
        let mut sums: BTreeMap<K, Sum> = BTreeMap::new();
        for (line, sum) in &self.lines {
            *sums.entry(key(line)).or_default() += *sum;
        }
        sums
    }

    /// The sum of all.
    pub fn total(&self) -> Sum {
        let mut total = Sum::default();
        self.lines.values().for_each(|sum| total += *sum);
        total
    }
}

/// A budget that can be spent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Budget {
    /// That of the run.
    Run,
    /// That of a role.
    Role(PrincipalId),
    /// That of a feature.
    Feature(FeatureId),
}

/// Prices against which a model without one is held by budgets, in US dollars per million tokens: read,
/// written, read from the cache, written into it. Above all that are known, so that a new model spends a
/// budget too soon and never for nothing.
const DEAREST: [u64; 4] = [30, 150, 3, 38];

/// What a sum costs against budgets, in millionths of a US dollar.
fn reckoned(sum: &Sum) -> u64 {
    if sum.unpriced == 0 {
        return sum.microusd;
    }
    let tokens = [sum.input, sum.output, sum.cache_read, sum.cache_write];
    let dearest: u64 = tokens.iter().zip(DEAREST).map(|(n, price)| n.saturating_mul(price)).sum();
    dearest.max(sum.microusd)
}

/// What counts against the budgets, in millionths of a US dollar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// By this run of the runtime.
    pub run: u64,
    /// By each role in this run.
    pub roles: BTreeMap<PrincipalId, u64>,
    /// By each feature, in all runs.
    pub features: BTreeMap<FeatureId, u64>,
}

impl Spent {
    /// Counts money.
    pub fn add(&mut self, role: &PrincipalId, feature: Option<&FeatureId>, sum: &Sum) {
        let microusd = reckoned(sum);
        self.run += microusd;
        *self.roles.entry(role.clone()).or_default() += microusd;
        if let Some(feature) = feature {
            *self.features.entry(feature.clone()).or_default() += microusd;
        }
    }

    /// Counts a record: of the run only when it is of the present one.
    pub fn apply(&mut self, record: &Record, epoch: u64) {
        let Body::ModelUsed(used) = &record.envelope.body else { return };
        let sum = Sum::from(used);
        if record.envelope.epoch == epoch {
            self.add(&used.role, record.envelope.feature.as_ref(), &sum);
        } else if let Some(feature) = &record.envelope.feature {
            *self.features.entry(feature.clone()).or_default() += reckoned(&sum);
        }
    }

    /// Whether a role may spend more, for this feature.
    ///
    /// # Errors
    /// [`Code::Budget`], with the key of the budget that is spent.
    pub fn admit(
        &self,
        budgets: &Budgets,
        role: &PrincipalId,
        feature: Option<&FeatureId>,
    ) -> Result<(), Reason> {
        self.exhausted(budgets, role, feature).map_or(Ok(()), |(_, reason)| Err(reason))
    }

    /// The budget that lets a role spend no more for this feature, with why.
    pub fn exhausted(
        &self,
        budgets: &Budgets,
        role: &PrincipalId,
        feature: Option<&FeatureId>,
    ) -> Option<(Budget, Reason)> {
        let of_role = self.roles.get(role).copied().unwrap_or(0);
        let of_feature = |f: &FeatureId| self.features.get(f).copied().unwrap_or(0);
        let run = || spent("run", budgets.run, self.run, String::new()).map(|r| (Budget::Run, r));
        let role = || {
            let reason = spent("role", budgets.role, of_role, format!(" of {role}"))?;
            Some((Budget::Role(role.clone()), reason))
        };
        let feature = || {
            let feature = feature?;
            let reason = spent("feature", budgets.feature, of_feature(feature), format!(" of {feature}"))?;
            Some((Budget::Feature(feature.clone()), reason))
        };
        run().or_else(role).or_else(feature)
    }
}

fn spent(key: &str, budget: Option<f64>, used: u64, whose: String) -> Option<Reason> {
    let budget = budget.filter(|b| used as f64 >= b * 1e6)?;
    let used = used as f64 / 1e6;
    Some(Reason::new(
        Code::Budget,
        format!(
            "the budget{whose} is spent: {used:.4} of {budget} USD (model.budgets.{key}); the user can \
             raise it"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> PrincipalId {
        PrincipalId::new(name).unwrap()
    }

    #[test]
    fn a_model_without_a_price_spends_a_budget_as_the_dearest_does() {
        let a = role("dev-a");
        let mut spent = Spent::default();
        spent.add(&a, None, &Sum { output: 10_000, unpriced: 1, requests: 1, ..Sum::default() });
        assert_eq!(spent.run, 1_500_000);
        let known = Sum { output: 10_000, microusd: 7, requests: 1, ..Sum::default() };
        spent.add(&a, None, &known);
        assert_eq!(spent.run, 1_500_007);
    }

    #[test]
    fn each_budget_stops_what_it_is_for() {
        let (a, b, f) = (role("dev-a"), role("dev-b"), FeatureId::new("f").unwrap());
        let mut spent = Spent::default();
        spent.add(&a, Some(&f), &Sum { microusd: 600_000, ..Sum::default() });
        spent.add(&b, None, &Sum { microusd: 500_000, ..Sum::default() });
        let budgets = |run, feature, role| Budgets { run, feature, role };
        let admit =
            |b: &Budgets, r: &PrincipalId, f: Option<&FeatureId>| spent.admit(b, r, f).map_err(|r| r.text);
        assert_eq!(admit(&Budgets::default(), &a, Some(&f)), Ok(()));
        assert!(admit(&budgets(Some(1.1), None, None), &b, None).unwrap_err().contains("model.budgets.run"));
        assert_eq!(admit(&budgets(Some(1.2), None, None), &b, None), Ok(()));
        assert!(admit(&budgets(None, None, Some(0.55)), &a, None).unwrap_err().contains("of dev-a"));
        assert_eq!(admit(&budgets(None, None, Some(0.55)), &b, None), Ok(()));
        assert!(admit(&budgets(None, Some(0.6), None), &b, Some(&f)).unwrap_err().contains("of f"));
        assert_eq!(admit(&budgets(None, Some(0.6), None), &b, None), Ok(()));
        assert!(admit(&budgets(Some(0.0), None, None), &b, None).is_err(), "nought is a budget");
        let which = |b: Budgets| spent.exhausted(&b, &a, Some(&f)).map(|(budget, _)| budget);
        assert_eq!(which(budgets(Some(1.0), Some(0.1), Some(0.1))), Some(Budget::Run));
        assert_eq!(which(budgets(None, Some(0.1), Some(0.1))), Some(Budget::Role(a.clone())));
        assert_eq!(which(budgets(None, Some(0.1), None)), Some(Budget::Feature(f.clone())));
        assert_eq!(which(budgets(Some(2.0), Some(2.0), Some(2.0))), None);
    }
}
