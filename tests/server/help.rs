//! `causeway help`.

use super::process::Place;

#[test]
fn help_is_a_command_and_takes_the_name_of_another() {
    let place = Place::new();
    let all = place.run(&["help"], &[]).succeeded();
    assert!(all.contains("Usage: causeway") && all.contains("serve") && all.contains("bucket"), "{all}");
    let of = place.run(&["help", "bucket", "add"], &[]).succeeded();
    assert!(of.contains("Usage: causeway bucket add") && of.contains("--secret-env"), "{of}");
}

#[test]
fn a_mistyped_command_is_told_another_one_and_never_itself() {
    let said = Place::new().run(&["serv"], &[]).failed(2);
    assert!(said.contains("'serve'") && !said.contains("exists: 'serv'"), "{said}");
}
