//! What tokens cost: list prices of the current Claude families, and what the configuration says
//! instead.
//!
//! Not counted are surcharges for speed, for tools that run at the provider (the proxy lets none
//! pass) and for cache entries that live an hour.

use foureyes_config::sections::model::Price;
use foureyes_ports::model::ModelUse;
use std::collections::BTreeMap;

/// A price, and the one that holds for prompts longer than so many tokens.
#[derive(Clone, Copy, Debug)]
struct Rate {
    price: Price,
    long: Option<(u64, Price)>,
}

/// Prices by the beginning of a model's name.
#[derive(Clone, Debug)]
pub(super) struct Prices(BTreeMap<String, Rate>);

const fn price(input: f64, output: f64, cache_read: f64, cache_write: f64) -> Price {
    Price { input, output, cache_read, cache_write }
}

const FIFTEEN: Price = price(15.0, 75.0, 1.5, 18.75);
const TEN: Price = price(10.0, 50.0, 1.0, 12.5);
const FIVE: Price = price(5.0, 25.0, 0.5, 6.25);
const THREE: Price = price(3.0, 15.0, 0.3, 3.75);
const EIGHT: Price = price(8.0, 40.0, 0.2, 10.0);
const TEN_CACHED: Price = price(10.0, 50.0, 0.25, 12.5);

/// In US dollars per million tokens, as the CLI's own catalogue of November 2026 lists them.
const BUILT_IN: [(&str, Price); 28] = [
    ("claude-3-haiku", price(0.25, 1.25, 0.03, 0.3)),
    ("claude-3-5-haiku", price(0.8, 4.0, 0.08, 1.0)),
    ("claude-haiku-4-5", price(1.0, 5.0, 0.1, 1.25)),
    ("claude-haiku-5-5", price(0.1, 0.5, 0.01, 0.125)),
    ("claude-3-5-sonnet", THREE),
    ("claude-3-7-sonnet", THREE),
    ("claude-sonnet-4", THREE),
    ("claude-sonnet-5", price(2.0, 10.0, 0.2, 2.5)),
    ("claude-sonnet-5-5", price(2.0, 10.0, 0.1, 2.5)),
    ("claude-3-opus", FIFTEEN),
    ("claude-opus-4-0", FIFTEEN),
    ("claude-opus-4-1", FIFTEEN),
    ("claude-opus-4-2025", FIFTEEN),
    ("claude-opus-4@", FIFTEEN),
    ("claude-opus-4-5", FIVE),
    ("claude-opus-4-6", FIVE),
    ("claude-opus-4-7", FIVE),
    ("claude-opus-4-8", FIVE),
    ("claude-opus-5", FIVE),
    ("claude-opus-5-5", price(4.0, 20.0, 0.2, 5.0)),
    ("claude-fable-5", TEN),
    ("claude-fable-5-1", TEN_CACHED),
    ("claude-fable-5-2", EIGHT),
    ("claude-mythos-preview", TEN),
    ("claude-mythos-5", TEN),
    ("claude-mythos-5-1", TEN_CACHED),
    ("claude-mythos-5-2", EIGHT),
    ("stand-in", price(3.0, 15.0, 0.3, 3.75)),
];

/// The one built-in model whose long prompts cost more.
const LONG: (&str, u64, Price) = ("claude-haiku-5-5", 100_000, price(0.5, 2.5, 0.05, 0.625));

impl Prices {
    pub(super) fn new(configured: &BTreeMap<String, Price>) -> Self {
        let long = |name: &str| (name == LONG.0).then_some((LONG.1, LONG.2));
        let built_in = BUILT_IN
            .iter()
            .map(|(name, price)| ((*name).to_owned(), Rate { price: *price, long: long(name) }));
        let mut all: BTreeMap<String, Rate> = built_in.collect();
        all.extend(configured.iter().map(|(name, price)| (name.clone(), Rate { price: *price, long: None })));
        Self(all)
    }

    /// The price of what was used, in millionths of a US dollar, rounded up; `None` where no
    /// beginning of the model's name has one. Names such as `us.anthropic.claude-…` are known by the
    /// part that begins with `claude-`, too.
    pub(super) fn of(&self, used: &ModelUse) -> Option<u64> {
        let rate = self.rate(&used.model)?;
        let prompt = used.input_tokens + used.cache_read_tokens + used.cache_write_tokens;
        let price = rate.long.filter(|(above, _)| prompt > *above).map_or(rate.price, |(_, price)| price);
        let parts = [
            (used.input_tokens, price.input),
            (used.output_tokens, price.output),
            (used.cache_read_tokens, price.cache_read),
            (used.cache_write_tokens, price.cache_write),
        ];
        // A dollar per million tokens is a millionth of a dollar per token.
        #[allow(clippy::cast_precision_loss, reason = "tokens stay far below 2^52")]
        let sum: f64 = parts.iter().map(|(tokens, price)| *tokens as f64 * price).sum();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let microusd = (sum - 1e-6).max(0.0).ceil() as u64;
        Some(microusd)
    }

    fn rate(&self, model: &str) -> Option<&Rate> {
        let bare = model.find("claude-").map_or(model, |at| &model[at..]);
        let fits = |name: &str| model.starts_with(name) || bare.starts_with(name);
        self.0.iter().filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len()).map(|(_, rate)| rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(model: &str, tokens: [u64; 4]) -> ModelUse {
        let [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens] = tokens;
        let model = model.to_owned();
        ModelUse { model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, microusd: None }
    }

    #[test]
    fn the_longest_beginning_holds() {
        let prices = Prices::new(&BTreeMap::new());
        let million = [1_000_000, 0, 0, 0];
        let table = [
            ("claude-opus-4-20250514", Some(15_000_000)),
            ("claude-opus-4-1-20250805", Some(15_000_000)),
            ("claude-opus-4-5-20251101", Some(5_000_000)),
            ("claude-opus-5", Some(5_000_000)),
            ("claude-opus-5-5", Some(4_000_000)),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Some(3_000_000)),
            ("claude-sonnet-4-5@20250929", Some(3_000_000)),
            ("claude-opus-9", None),
            ("gpt-4", None),
            ("", None),
        ];
        for (model, expected) in table {
            assert_eq!(prices.of(&used(model, million)), expected, "{model}");
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let prices = Prices::new(&BTreeMap::new());
        assert_eq!(
            prices.of(&used("claude-sonnet-4-5", [1000, 100, 10_000, 200])),
            Some(3000 + 1500 + 3000 + 750)
        );
        assert_eq!(prices.of(&used("claude-haiku-4-5", [0, 0, 1, 0])), Some(1), "rounded up");
        assert_eq!(prices.of(&used("claude-haiku-4-5", [0, 0, 0, 0])), Some(0));
        assert_eq!(prices.of(&used("claude-haiku-5-5", [100_000, 0, 0, 0])), Some(10_000));
        assert_eq!(prices.of(&used("claude-haiku-5-5", [100_000, 0, 1000, 0])), Some(50_050));
    }

    #[test]
    fn what_is_configured_replaces_and_adds() {
        let configured =
            [("claude-sonnet-4", price(1.0, 0.0, 0.0, 0.0)), ("house-", price(7.0, 0.0, 0.0, 0.0))];
        let prices = Prices::new(&configured.into_iter().map(|(n, p)| (n.to_owned(), p)).collect());
        assert_eq!(prices.of(&used("claude-sonnet-4-6", [10, 0, 0, 0])), Some(10));
        assert_eq!(prices.of(&used("house-large", [10, 0, 0, 0])), Some(70));
        assert_eq!(prices.of(&used("claude-haiku-4-5", [10, 0, 0, 0])), Some(10));
    }
}
