//! A table, and what TOML lets be added to it by which means.

use super::parse::DUPLICATE;
use super::value::{Kind, Place, Value};
use indexmap::IndexMap;
use indexmap::map::Entry as Slot;
use std::borrow::Cow;
use toml_parser::ParseError;

/// A table, its entries in the order of the text.
#[derive(Debug)]
pub struct Table<'a> {
    entries: IndexMap<Cow<'a, str>, Entry<'a>>,
    origin: Origin,
}

/// A value of a table.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Where its key stands.
    pub key: Place,
    /// The value.
    pub value: Value<'a>,
}

/// A key as it is read: a part of a dotted one.
#[derive(Debug)]
pub(super) struct Key<'a> {
    pub text: Cow<'a, str>,
    pub place: Place,
}

/// What made a table, which decides what may still be added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Its own `[NAME]` or `[[NAME]]`.
    Header,
    /// A header of a table in it, before its own.
    Path,
    /// A dotted key.
    Dotted,
    /// `{...}`, which holds all of it.
    Inline,
}

impl<'a> Table<'a> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Takes an entry out; the order of the others is lost.
    pub fn take(&mut self, key: &str) -> Option<Entry<'a>> {
        self.entries.swap_remove(key)
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Its keys and entries.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry<'a>)> {
        self.entries.iter().map(|(key, entry)| (key.as_ref(), entry))
    }

    pub(super) fn new(origin: Origin) -> Self {
        Table { entries: IndexMap::new(), origin }
    }

    /// The table at the end of a path of entries.
    pub(super) fn at(&mut self, path: &[usize]) -> Option<&mut Table<'a>> {
        let mut table = self;
        for index in path {
            let (_, entry) = table.entries.get_index_mut(*index)?;
            table = match &mut entry.value.kind {
                Kind::Table(table) => table,
                Kind::Tables(tables) => tables.last_mut()?,
                _ => return None,
            };
        }
        Some(table)
    }

    /// Adds a value under a dotted key.
    pub(super) fn insert(
        &mut self,
        mut keys: Vec<Key<'a>>,
        value: Value<'a>,
    ) -> Result<(), ParseError> {
        let Some(last) = keys.pop() else {
            return Ok(());
        };
        let mut table = self;
        for key in keys {
            (_, table) = table.below(key, Origin::Dotted)?;
        }
        match table.entries.entry(last.text) {
            Slot::Vacant(slot) => {
                slot.insert(Entry { key: last.place, value });
                Ok(())
            }
            Slot::Occupied(slot) => Err(duplicate(last.place, slot.get().key)),
        }
    }

    /// Adds the table of `[KEYS]`, or another one to those of `[[KEYS]]`: the path to it.
    pub(super) fn open(
        &mut self,
        mut keys: Vec<Key<'a>>,
        header: Place,
        many: bool,
    ) -> Result<Vec<usize>, ParseError> {
        let mut path = Vec::with_capacity(keys.len());
        let last = keys.pop();
        let mut table = self;
        for key in keys {
            let index;
            (index, table) = table.below(key, Origin::Path)?;
            path.push(index);
        }
        if let Some(key) = last {
            path.push(if many { table.append(key, header)? } else { table.define(key, header)? });
        }
        Ok(path)
    }

    fn define(&mut self, key: Key<'a>, header: Place) -> Result<usize, ParseError> {
        let slot = self.entries.entry(key.text);
        let index = slot.index();
        let place = key.place;
        let entry = slot.or_insert_with(|| Entry::of_table(place, Origin::Path));
        match &mut entry.value.kind {
            Kind::Table(table) if table.origin == Origin::Path => table.origin = Origin::Header,
            _ => return Err(duplicate(place, entry.key)),
        }
        // A table in it may have named it before.
        entry.key = place;
        entry.value.place = header;
        Ok(index)
    }

    fn append(&mut self, key: Key<'a>, header: Place) -> Result<usize, ParseError> {
        let slot = self.entries.entry(key.text);
        let index = slot.index();
        let none = Value { kind: Kind::Tables(Vec::new()), place: header };
        let entry = slot.or_insert(Entry { key: key.place, value: none });
        match &mut entry.value.kind {
            Kind::Tables(tables) => tables.push(Table::new(Origin::Header)),
            _ => return Err(duplicate(key.place, entry.key)),
        }
        Ok(index)
    }

    /// The table under `key`, on the way to one that is deeper, and its index.
    fn below(&mut self, key: Key<'a>, by: Origin) -> Result<(usize, &mut Self), ParseError> {
        let slot = self.entries.entry(key.text);
        let index = slot.index();
        let entry = slot.or_insert_with(|| Entry::of_table(key.place, by));
        let what = entry.value.kind.describe();
        let table = match &mut entry.value.kind {
            Kind::Table(table) => &mut **table,
            Kind::Tables(tables) => match tables.last_mut() {
                Some(table) => table,
                None => return Err(closed(key.place, what)),
            },
            _ => return Err(closed(key.place, what)),
        };
        match (table.origin, by) {
            (Origin::Inline, _) => return Err(closed(key.place, "an inline table")),
            (Origin::Header, Origin::Dotted) => return Err(duplicate(key.place, entry.key)),
            (Origin::Path, Origin::Dotted) => table.origin = Origin::Dotted,
            _ => {}
        }
        Ok((index, table))
    }
}

impl<'a> IntoIterator for Table<'a> {
    type Item = (Cow<'a, str>, Entry<'a>);
    type IntoIter = indexmap::map::IntoIter<Cow<'a, str>, Entry<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl Entry<'_> {
    fn of_table(key: Place, origin: Origin) -> Self {
        let kind = Kind::Table(Box::new(Table::new(origin)));
        Entry { key, value: Value { kind, place: key } }
    }
}

fn duplicate(key: Place, first: Place) -> ParseError {
    ParseError::new(DUPLICATE).with_unexpected(key.into()).with_context(first.into())
}

fn closed(key: Place, what: &str) -> ParseError {
    ParseError::new(format!("can't add a key to {what}")).with_unexpected(key.into())
}
