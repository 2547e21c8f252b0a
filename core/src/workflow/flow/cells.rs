//! What a flow's state is made of: values by path; and a layer over them, so that a turn may try something without a copy.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Values by path.
pub(super) trait Cells<V> {
    fn get(&self, path: &str) -> Option<&V>;
    fn put(&mut self, path: String, value: V);
    /// Changes what is there, if anything is.
    fn change(&mut self, path: &str, how: &mut dyn FnMut(&mut V));
    fn remove(&mut self, path: &str);
    /// The paths below one: those that go on after it with `/` or `[`. Itself is not among them.
    fn below(&self, path: &str) -> Vec<String>;
}

/// Whether a path goes on after another with `/` or `[`; all but itself are below the empty one.
pub(super) fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| above.is_empty() && !rest.is_empty() || rest.starts_with(['/', '[']))
}

fn keys_below<V>(cells: &BTreeMap<String, V>, above: &str) -> Vec<String> {
    let from = cells.range::<str, _>((Bound::Excluded(above), Bound::Unbounded));
    let paths = from.map(|(path, _)| path).take_while(|path| path.starts_with(above));
    paths.filter(|path| is_below(path, above)).cloned().collect()
}

impl<V> Cells<V> for BTreeMap<String, V> {
    fn get(&self, path: &str) -> Option<&V> {
        BTreeMap::get(self, path)
    }

    fn put(&mut self, path: String, value: V) {
        self.insert(path, value);
    }

    fn change(&mut self, path: &str, how: &mut dyn FnMut(&mut V)) {
        self.get_mut(path).into_iter().for_each(how);
    }

    fn remove(&mut self, path: &str) {
        BTreeMap::remove(self, path);
    }

    fn below(&self, path: &str) -> Vec<String> {
        keys_below(self, path)
    }
}

/// Values by path, and what a turn has changed of them.
pub(super) struct Layer<'a, V> {
    base: &'a BTreeMap<String, V>,
    changed: BTreeMap<String, Option<V>>,
}

impl<'a, V> Layer<'a, V> {
    pub(super) fn over(base: &'a BTreeMap<String, V>) -> Self {
        Self { base, changed: BTreeMap::new() }
    }

    /// All that there is, by path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &V)> {
        let kept = self.base.iter().filter(|(path, _)| !self.changed.contains_key(*path));
        let new = self.changed.iter().filter_map(|(path, value)| Some((path, value.as_ref()?)));
        kept.chain(new)
    }
}

impl<V: Clone> Cells<V> for Layer<'_, V> {
    fn get(&self, path: &str) -> Option<&V> {
        match self.changed.get(path) {
            Some(changed) => changed.as_ref(),
            None => self.base.get(path),
        }
    }

    fn put(&mut self, path: String, value: V) {
        self.changed.insert(path, Some(value));
    }

    fn change(&mut self, path: &str, how: &mut dyn FnMut(&mut V)) {
        if let Some(changed) = self.changed.get_mut(path) {
            changed.iter_mut().for_each(how);
        } else if let Some(mut value) = self.base.get(path).cloned() {
            how(&mut value);
            self.put(path.to_string(), value);
        }
    }

    fn remove(&mut self, path: &str) {
        self.changed.insert(path.to_string(), None);
    }

    fn below(&self, path: &str) -> Vec<String> {
        let mut all = keys_below(self.base, path);
        all.retain(|path| !self.changed.contains_key(path));
        let new = keys_below(&self.changed, path);
        all.extend(new.into_iter().filter(|path| self.changed.get(path).is_some_and(Option::is_some)));
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(paths: &[&str]) -> BTreeMap<String, u8> {
        paths.iter().map(|path| (path.to_string(), 0)).collect()
    }

    #[test]
    fn what_is_below_a_path_goes_on_after_it() {
        let all = cells(&["a", "a-b", "a/b", "a/b/c", "a[0]", "a[0]/b", "aa", "b"]);
        assert_eq!(all.below("a"), ["a/b", "a/b/c", "a[0]", "a[0]/b"]);
        assert_eq!((all.below("a/b"), all.below("").len()), (vec!["a/b/c".to_string()], 8));
    }

    #[test]
    fn a_layer_shows_what_is_changed_and_leaves_the_base_alone() {
        let base = cells(&["a", "a/b", "a/c"]);
        let mut layer = Layer::over(&base);
        layer.put("a/d".into(), 7);
        layer.remove("a/b");
        ["a/b", "a/c", "a/d", "a/e"].iter().for_each(|path| layer.change(path, &mut |value| *value += 1));
        assert_eq!((layer.get("a/c"), base.get("a/c")), (Some(&1), Some(&0)));
        assert_eq!(
            (layer.below("a"), layer.get("a/d"), layer.get("a/b")),
            (vec!["a/c".into(), "a/d".into()], Some(&8), None)
        );
        assert_eq!((base.len(), layer.iter().count()), (3, 3));
    }
}
