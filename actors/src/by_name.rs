//! A few values by name: what one turn counts has one name or two, and a map's node has room for eleven.

use std::sync::Arc;

/// Values by name, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByName<V>(Vec<(Arc<str>, V)>);

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: Default> ByName<V> {
    /// The value of a name, begun if there is none.
    pub fn of(&mut self, name: impl AsRef<str> + Into<Arc<str>>) -> &mut V {
        let at = match self.0.binary_search_by(|(known, _)| (**known).cmp(name.as_ref())) {
            Ok(at) => at,
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (name.into(), V::default()));
                at
            }
        };
        &mut self.0[at].1
    }

    /// Takes another's values: each is added to that of the same name.
    pub fn add(&mut self, other: Self, add: impl Fn(&mut V, V)) {
        for (name, value) in other.0 {
            add(self.of(name), value);
        }
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_value_and_they_are_in_order() {
        let (mut one, mut other) = (ByName::<u64>::default(), ByName::default());
        ["b", "a", "b"].into_iter().for_each(|name| *one.of(name) += 1);
        ["c", "a"].into_iter().for_each(|name| *other.of(name) += 10);
        one.add(other, |mine, theirs| *mine += theirs);
        let all: Vec<(&str, u64)> = one.iter().map(|(name, value)| (&**name, *value)).collect();
        assert_eq!(all, [("a", 11), ("b", 2), ("c", 10)]);
    }
}
