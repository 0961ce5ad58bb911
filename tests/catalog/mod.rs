//! The catalog's contract: one plain function per promise, for any driver. `contract!` runs all of them.

pub mod bucket;
pub mod closing;
pub mod directory;
pub mod document;
pub mod golden;
pub mod iam;
pub mod identity;
pub mod index;
pub mod lease;
pub mod ledger;
pub mod numbered;
pub mod object;
pub mod paging;
pub mod replica;
pub mod sample;
pub mod shared;
pub mod sizes;
pub mod sqlite;
pub mod survival;
pub mod turns;
pub mod upload;
pub mod version;

/// One test per promise. `$fresh` returns an empty catalog, and something that keeps it alive.
macro_rules! contract {
    ($fresh:path) => {
        $crate::catalog::contract!($fresh;
            bucket::a_bucket_is_found_as_it_was_created,
            bucket::of_many_who_create_one_name_one_succeeds,
            bucket::a_bucket_apart_from_others_shares_no_place_with_them_or_their_replicas,
            bucket::buckets_are_listed_in_pages_by_owner_and_prefix,
            bucket::a_name_is_one_tenants_own,
            bucket::a_bucket_that_was_given_away_is_its_new_owners,
            bucket::changing_a_bucket_that_is_gone_is_not_found,
            bucket::an_id_is_never_used_again,
            bucket::a_deleted_bucket_takes_everything_with_it,
            bucket::a_big_index_of_a_deleted_bucket_is_out_of_sight_at_once,
            bucket::deleting_a_bucket_twice_is_harmless,
            document::documents_are_found_as_they_were_set_and_move_one_revision,
            document::a_document_is_swapped_only_for_what_was_read,
            document::a_bucket_is_made_with_its_first_documents_and_takes_them_with_it,
            document::buckets_are_listed_with_the_documents_that_were_asked_for,
            identity::identities_are_found_as_they_were_set_and_move_one_revision,
            identity::an_identity_is_swapped_only_for_what_was_read,
            identity::the_last_use_of_a_key_only_moves_on_until_the_key_is_gone,
            iam::users_and_policies_are_found_as_they_were_put_and_move_one_revision,
            iam::users_and_policies_are_changed_only_as_they_were_read_all_or_none,
            index::a_row_comes_back_as_it_was_put,
            index::changes_of_a_key_take_effect_in_the_order_of_their_calls,
            index::a_change_whose_future_is_dropped_is_made,
            index::concurrent_changes_are_all_made,
            index::keys_are_listed_in_the_order_of_their_bytes,
            index::rows_are_read_above_a_key_and_looked_up_in_the_order_asked,
            index::a_bucket_does_not_see_the_keys_of_another,
            index::state_is_set_replaced_and_forgotten,
            sizes::sizes_follow_every_change_of_an_index,
            sizes::no_sum_of_sizes_overflows,
            sizes::the_largest_buckets_are_told_and_the_others_counted,
            sizes::replicas_deleted_buckets_and_those_without_an_index_have_no_size,
            object::a_row_of_an_object_is_found_as_it_was_set_and_one_that_says_nothing_is_forgotten,
            object::rows_of_objects_are_read_in_order_all_or_those_that_intend_something,
            object::rows_of_objects_go_with_their_bucket_and_come_to_no_other,
            object::a_row_is_swapped_only_for_what_was_read,
            object::versions_behind_a_row_come_newest_first_and_leave_it_alone,
            paging::pages_agree_with_a_model_while_keys_come_and_go,
            directory::directories_are_found_as_they_were_seen_in_the_order_of_their_paths,
            directory::directories_go_with_their_bucket,
            replica::the_replicas_of_all_buckets_are_read_at_once,
            replica::a_replica_is_found_as_it_was_added_until_it_has_everything,
            replica::a_bucket_has_one_replica_on_a_backend_and_a_replica_has_none,
            replica::replicas_come_in_order_of_rank_and_the_newest_ranks_last,
            replica::a_replica_is_no_bucket_to_whoever_lists_or_makes_buckets,
            replica::a_renewed_replica_knows_nothing_of_what_was_before_and_keeps_its_rank,
            replica::a_bucket_goes_on_as_one_of_its_replicas_with_its_settings,
            replica::a_left_place_is_known_until_it_is_forgotten,
            replica::only_replicas_are_changed_as_replicas,
            replica::an_id_of_a_replica_is_its_own_and_never_used_again,
            replica::a_removed_replica_takes_only_its_own_with_it,
            replica::replicas_go_with_their_bucket_and_all_that_is_known_of_them,
            replica::uploads_of_replicas_are_never_stale,
            version::versions_are_listed_by_key_and_of_one_key_the_newest_first,
            version::versions_change_nothing_of_what_list_shows,
            version::versions_go_with_their_bucket,
            upload::an_upload_is_found_as_it_was_begun,
            upload::an_upload_is_begun_once_and_in_a_bucket_that_exists,
            upload::a_part_replaces_the_one_of_its_number,
            upload::parts_are_read_in_order_above_a_number,
            upload::an_ended_upload_takes_no_part,
            upload::of_many_who_finish_an_upload_one_succeeds,
            upload::a_finished_upload_is_remembered_until_forgotten,
            upload::aborting_says_whether_there_was_one,
            upload::uploads_are_listed_by_key_then_age_then_id_whatever_the_page,
            upload::an_upload_that_ends_between_pages_makes_none_be_missed,
            upload::an_upload_is_listed_with_its_owner,
            upload::stale_uploads_come_oldest_first,
            upload::many_endings_are_forgotten_in_one_call,
            upload::one_failing_change_spoils_none_of_its_neighbours,
            closing::what_was_called_before_closing_is_committed_and_what_comes_later_fails,
        );
    };
    ($fresh:path; $($module:ident :: $promise:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let (catalog, _alive) = $fresh();
            $crate::catalog::$module::$promise(catalog).await;
        }
    )*};
}
pub(crate) use contract;

/// One test per promise to two processes that have one catalog open, as far as one test process can simulate
/// them: they share the files, and no memory of the driver. `$fresh` returns both, their clock, and something
/// that keeps them alive.
macro_rules! shared_contract {
    ($fresh:path) => {
        $crate::catalog::shared_contract!($fresh;
            shared::what_one_has_committed_the_other_reads,
            shared::a_name_that_both_create_is_one_bucket,
            shared::of_two_who_have_read_the_same_one_writes,
            shared::no_change_of_two_who_swap_is_lost,
            shared::an_upload_that_both_finish_ends_once,
            lease::a_lease_has_one_holder_until_it_runs_out,
            lease::a_lease_that_was_released_or_lost_is_neither_renewed_nor_released,
            lease::each_holder_has_a_higher_number_than_all_before,
            lease::of_many_who_ask_for_a_lease_one_has_it,
            numbered::numbered_changes_end_alike_in_whatever_order_they_arrive,
            numbered::a_deletion_is_remembered_until_it_is_forgotten,
            numbered::versions_are_numbered_each_for_itself,
        );
    };
    ($fresh:path; $($module:ident :: $promise:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let (two, _alive) = $fresh();
            $crate::catalog::$module::$promise(two).await;
        }
    )*};
}
pub(crate) use shared_contract;
