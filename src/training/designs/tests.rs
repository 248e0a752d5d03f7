use super::*;

#[test]
fn every_design_has_a_name_of_its_own_and_says_what_it_compares() {
    for (i, design) in DESIGNS.iter().enumerate() {
        assert!(DESIGNS[..i].iter().all(|d| d.name != design.name));
        assert!(design.about.len() > 20 && Design::named(design.name).unwrap().name == design.name);
    }
    assert!(Design::named("none").is_none());
}
