//! `docs/catalogue.md` tells the types that are shipped, and its file is one.

use std::collections::BTreeSet;

use regie_core::event::Catalogue;

const PAGE: &str = include_str!("../../../docs/catalogue.md");

#[test]
fn the_table_has_each_shipped_type_once_with_the_entity_that_it_is_about() {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `orchestration."));
    let told: Vec<(String, String)> = rows
        .map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`').to_string());
            (format!("orchestration.{}", cells.next().unwrap()), cells.next().unwrap())
        })
        .collect();
    let catalogue = Catalogue::shipped();
    let shipped = catalogue.types().map(|it| (it.name().to_string(), it.about().unwrap_or("anything").to_string()));
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), shipped.collect());
    assert_eq!(told.len(), catalogue.types().count());
}

#[test]
fn the_file_of_the_page_is_read() {
    let start = PAGE.find("```toml\n").expect("a file") + "```toml\n".len();
    let text = &PAGE[start..start + PAGE[start..].find("```").expect("its end")];
    let catalogue = Catalogue::from_toml(text).unwrap();
    assert_eq!((catalogue.types().count() - Catalogue::shipped().types().count(), catalogue.relations().len()), (4, 2));
}
