//! Failures that random operations have found, each shrunken and named. Every driver has to pass all of them.

use crate::{
    operation::{Body, Condition, Operation},
    run::compare,
    storage::Driver,
};
use causeway::store::Durability;

async fn every_driver_agrees(operations: Vec<Operation>) {
    for driver in [Driver::Memory, Driver::Fs(Durability::Strict), Driver::Fs(Durability::Relaxed)] {
        if let Err(difference) = compare(driver, operations.clone()).await {
            panic!("{driver:?}: {difference}");
        }
    }
}

fn put(key: &str) -> Operation {
    Operation::Put {
        key: key.to_owned(),
        body: Body { seed: 0, len: 10 },
        attributes: 0,
        condition: Condition::None,
    }
}

/// With an escape before it, a name of more than 250 bytes no longer fits into one file name.
#[tokio::test]
async fn a_long_name_and_a_folder_of_that_name_hold_each_their_own() {
    let (name, below) = ("l".repeat(252), format!("{}/x", "l".repeat(252)));
    every_driver_agrees(vec![put(&name), put(&below)]).await;
    every_driver_agrees(vec![put(&below), put(&name)]).await;
}
