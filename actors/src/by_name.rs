//! Values by name: what one turn counts has one name or two, and a map's node has room for eleven; what all have come to has many.

use std::collections::BTreeMap;
use std::sync::Arc;

/// More names than these are kept in a map.
const FEW: usize = 16;

/// Values by name, in their order.
#[derive(Clone, Debug)]
pub struct ByName<V>(Kept<V>);

#[derive(Clone, Debug)]
enum Kept<V> {
    /// In the order of their names.
    Few(Vec<(Arc<str>, V)>),
    Many(BTreeMap<Arc<str>, V>),
}

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self(Kept::Few(Vec::new()))
    }
}

impl<V: PartialEq> PartialEq for ByName<V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for ByName<V> {}

impl<V> ByName<V> {
    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        let (few, many) = match &self.0 {
            Kept::Few(few) => (Some(few), None),
            Kept::Many(many) => (None, Some(many)),
        };
        few.into_iter().flatten().map(|(name, value)| (name, value)).chain(many.into_iter().flatten())
    }
}

impl<V: Default> ByName<V> {
    /// The value of a name, begun if there is none.
    pub fn of(&mut self, name: impl AsRef<str> + Into<Arc<str>>) -> &mut V {
        if let Kept::Few(few) = &mut self.0
            && few.len() == FEW
        {
            self.0 = Kept::Many(std::mem::take(few).into_iter().collect());
        }
        match &mut self.0 {
            Kept::Few(few) => {
                let at = few.binary_search_by(|(known, _)| (**known).cmp(name.as_ref()));
                let at = at.unwrap_or_else(|at| {
                    few.reserve_exact(usize::from(few.is_empty())); // one is what most have
                    few.insert(at, (name.into(), V::default()));
                    at
                });
                &mut few[at].1
            }
            Kept::Many(many) => many.entry(name.into()).or_default(),
        }
    }

    /// Takes another's values: each is added to that of the same name.
    pub fn add(&mut self, other: Self, add: impl Fn(&mut V, V)) {
        match other.0 {
            Kept::Few(few) => few.into_iter().for_each(|(name, value)| add(self.of(name), value)),
            Kept::Many(many) => many.into_iter().for_each(|(name, value)| add(self.of(name), value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &ByName<u64>) -> Vec<(&str, u64)> {
        names.iter().map(|(name, value)| (&**name, *value)).collect()
    }

    #[test]
    fn each_name_has_one_value_and_they_are_in_order() {
        let (mut one, mut other) = (ByName::<u64>::default(), ByName::default());
        ["b", "a", "b"].into_iter().for_each(|name| *one.of(name) += 1);
        ["c", "a"].into_iter().for_each(|name| *other.of(name) += 10);
        one.add(other, |mine, theirs| *mine += theirs);
        assert_eq!(told(&one), [("a", 11), ("b", 2), ("c", 10)]);
    }

    #[test]
    fn many_are_what_few_are() {
        let names: Vec<String> = (0..50).map(|nth| format!("{:02}", nth * 7 % 50)).collect();
        let mut all = ByName::<u64>::default();
        for name in names.iter().chain(&names) {
            *all.of(name.as_str()) += 1;
        }
        assert!(matches!(all.0, Kept::Many(_)) && told(&all).is_sorted());
        assert!(told(&all).len() == 50 && told(&all).iter().all(|(_, value)| *value == 2));
    }
}
