//! A draft becomes a file in one step, or not at all.

use super::*;
use futures_util::future::join_all;
use std::sync::{Arc, atomic::AtomicBool};

pub async fn what_was_written_is_read(files: Storage) {
    for (n, size) in
        [0, 1, 4095, 4096, 32_768, 65_535, 65_536, 65_537, 1 << 20, (3 << 20) + 17].into_iter().enumerate()
    {
        let content = pattern(size, n as u64);
        let stat = put(&files, &format!("sizes/{size}"), &content).await;
        assert_eq!(stat.size, size as u64);
        assert_eq!(get(&files, &format!("sizes/{size}")).await, Some(content), "{size}");
    }
    // The content is written in pieces of several sizes.
    let content = pattern(700_000, 99);
    let mut draft = files.create(&name(), "pieces", None).await.expect("a draft");
    let mut rest = Bytes::from(content.clone());
    for size in [1, 70_000, 3, 0, 65_536, 200_000, 16_384, 16_384].into_iter().cycle() {
        let piece = rest.split_to(size.min(rest.len()));
        draft.write(vec![piece.clone(), Bytes::new()]).await.expect("it is taken");
        if rest.is_empty() {
            break;
        }
    }
    draft.finish().await.expect("it is finished");
    published(draft.publish("pieces", false).await.expect("it is published"));
    assert!(get(&files, "pieces").await == Some(content));
}

pub async fn a_draft_is_seen_by_nobody_before_it_is_published(files: Storage) {
    put(&files, "d/there", b"old").await;
    let there = draft(&files, "d/there", b"new").await;
    let fresh = draft(&files, "d/fresh", b"new").await;
    assert_eq!(names(&files, "d").await, ["there"]);
    assert_eq!(names(&files, "").await.iter().filter(|name| *name != OWN).collect::<Vec<_>>(), ["d"]);
    assert_eq!(get(&files, "d/there").await, Some(b"old".to_vec()));
    assert_eq!(get(&files, "d/fresh").await, None);
    assert_eq!(files.stat("d/fresh").await.expect("an answer"), None);
    published(there.publish("d/there", false).await.expect("it is published"));
    published(fresh.publish("d/fresh", true).await.expect("it is published"));
    assert_eq!(get(&files, "d/there").await, Some(b"new".to_vec()));
    assert_eq!(names(&files, "d").await, ["fresh", "there"]);
    assert_eq!(own_files(&files).await, [""; 0]);
}

pub async fn readers_see_the_old_file_or_the_new_and_nothing_else(files: Storage) {
    let contents = Arc::new([pattern(300_000, 1), pattern(150_000, 2)]);
    put(&files, "k", &contents[0]).await;
    let over = Arc::new(AtomicBool::new(false));
    let readers = (0..4).map(|_| {
        let (files, contents, over) = (files.clone(), contents.clone(), over.clone());
        tokio::spawn(async move {
            let mut whole = 0;
            while !over.load(Ordering::Relaxed) {
                let opened = files.open("k", None).await.expect("an answer").expect("there always is one");
                let span = Span::whole(opened.stat().size);
                // Storage that cannot continue to read a replaced file may fail, but must not mix two files.
                let Ok(stream) = opened.read(span).await else { continue };
                let Ok(pieces) = stream.try_collect::<Vec<Bytes>>().await else { continue };
                assert!(contents.contains(&pieces.concat()), "a mixture");
                whole += 1;
            }
            whole
        })
    });
    let readers: Vec<_> = readers.collect();
    for n in 0..20 {
        put_again(&files, "k", &contents[n % 2]).await;
    }
    over.store(true, Ordering::Relaxed);
    let whole: usize = join_all(readers).await.into_iter().map(|reader| reader.expect("a reader")).sum();
    assert!(whole > 0);
}

async fn put_again(files: &Storage, path: &str, content: &[u8]) {
    let draft = draft(files, path, content).await;
    published(draft.publish(path, false).await.expect("it is published"));
}

pub async fn a_reader_keeps_the_file_it_opened_or_fails(files: Storage) {
    let old = pattern(3 << 20, 1);
    put(&files, "k", &old).await;
    for replace in [true, false] {
        let opened = files.open("k", None).await.expect("an answer").expect("a file");
        let mut stream = opened.read(Span::whole(old.len() as u64)).await.expect("a stream");
        let mut read = stream.try_next().await.expect("a piece").expect("a piece").to_vec();
        if replace {
            drop(put(&files, "k", &pattern(3 << 20, 2)).await)
        } else {
            assert!(files.remove("k").await.expect("an answer"))
        }
        let rest: Result<Vec<Bytes>, _> = stream.try_collect().await;
        if let Ok(rest) = rest {
            read.extend_from_slice(&rest.concat());
            assert!(read == old, "a mixture");
        }
        put(&files, "k", &old).await;
    }
}

pub async fn of_32_drafts_that_want_a_free_name_one_gets_it(files: Storage) {
    for round in 0..3 {
        let path = format!("race/{round}");
        let writers = (0..32).map(|n| {
            let (files, path) = (files.clone(), path.clone());
            tokio::spawn(async move {
                let draft = draft(&files, &path, format!("{n}").as_bytes()).await;
                match draft.publish(&path, true).await.expect("an answer") {
                    Published::As(_) => Some(n),
                    Published::Exists(draft) => {
                        draft.discard().await;
                        None
                    }
                    Published::IsFolder(_) | Published::Obstructed(_) | Published::Spelled(_) => {
                        panic!("nothing but files is there")
                    }
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let winners: Vec<i32> =
            join_all(writers).await.into_iter().filter_map(|writer| writer.expect("a writer")).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(get(&files, &path).await, Some(winners[0].to_string().into_bytes()));
    }
    assert_eq!(own_files(&files).await, [""; 0]);
}

pub async fn a_draft_that_found_its_name_taken_can_have_another(files: Storage) {
    put(&files, "a", b"old").await;
    let Published::Exists(draft) =
        draft(&files, "a", b"new").await.publish("a", true).await.expect("an answer")
    else {
        panic!("it is taken")
    };
    assert_eq!(get(&files, "a").await, Some(b"old".to_vec()));
    published(draft.publish("b", true).await.expect("it is published"));
    assert_eq!(get(&files, "b").await, Some(b"new".to_vec()));
    assert_eq!(own_files(&files).await, [""; 0]);
}

pub async fn a_folder_is_not_replaced_by_a_file(files: Storage) {
    put(&files, "d/inside", b"1").await;
    files.make_folder("empty").await.expect("a folder");
    for (folder, absent) in [("d", false), ("d", true), ("empty", false), ("empty", true)] {
        let Published::IsFolder(draft) =
            draft(&files, folder, b"2").await.publish(folder, absent).await.expect("an answer")
        else {
            panic!("{folder}, {absent}: it is a folder")
        };
        let beside = format!("{folder}-{absent}");
        published(draft.publish(&beside, true).await.expect("it is published"));
        assert_eq!(get(&files, &beside).await, Some(b"2".to_vec()));
    }
    assert_eq!(get(&files, "d/inside").await, Some(b"1".to_vec()));
    assert_eq!(files.stat("empty").await.expect("an answer").map(|stat| stat.kind), Some(EntryKind::Folder));
}

pub async fn a_file_on_the_way_is_told(files: Storage) {
    put(&files, "a/b", b"1").await;
    for (path, absent) in [("a/b/c", false), ("a/b/c", true), ("a/b/c/d/e", false), ("a/b/c/d/e", true)] {
        let Published::Obstructed(draft) =
            draft(&files, path, b"2").await.publish(path, absent).await.expect("an answer")
        else {
            panic!("{path}, {absent}: a file is on the way")
        };
        draft.discard().await;
        assert_eq!(files.stat(path).await.expect("an answer"), None);
        assert!(files.open(path, None).await.expect("an answer").is_none());
    }
    assert_eq!(get(&files, "a/b").await, Some(b"1".to_vec()));
    assert_eq!(own_files(&files).await, [""; 0]);
}

pub async fn what_publishing_says_of_a_file_is_said_everywhere(files: Storage) {
    for (path, content) in [("p/one", pattern(70_000, 1)), ("p/two", Vec::new())] {
        let said = put(&files, path, &content).await;
        assert_eq!((said.kind, said.size), (EntryKind::File, content.len() as u64));
        let looked = files.stat(path).await.expect("an answer").expect("a file");
        assert!(looked.is_same(&said), "{looked:?} {said:?}");
        let opened = files.open(path, None).await.expect("an answer").expect("a file");
        assert!(opened.stat().is_same(&said), "{:?} {said:?}", opened.stat());
        let listed = list(&files, "p")
            .await
            .into_iter()
            .find(|entry| path.ends_with(&entry.name))
            .expect("it is listed");
        assert!(listed.stat.is_same(&said), "{:?} {said:?}", listed.stat);
        assert_eq!(looked.modified, listed.stat.modified);
    }
}

pub async fn folders_that_come_and_go_lose_no_file(files: Storage) {
    // Deletes remove empty folders, while other requests write there.
    let over = Arc::new(AtomicBool::new(false));
    let remover = {
        let (files, over) = (files.clone(), over.clone());
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                for folder in ["x/y/z", "x/y", "x"] {
                    files.remove_folder(folder).await.expect("an answer");
                }
            }
        })
    };
    for n in 0..20 {
        let path = format!("x/y/z/{n}");
        let content = format!("{n}");
        // A storage may give up on a folder that is removed again and again, but then it reports an error.
        let mut draft = draft(&files, &path, content.as_bytes()).await;
        loop {
            match draft.publish(&path, false).await {
                Ok(answer) => break drop(published(answer)),
                Err(error) => eprintln!("{error}"),
            }
            draft = self::draft(&files, &path, content.as_bytes()).await;
        }
        assert_eq!(get(&files, &path).await, Some(content.into_bytes()));
        assert!(files.remove(&path).await.expect("an answer"));
    }
    over.store(true, Ordering::Relaxed);
    remover.await.expect("the remover");
}

pub async fn a_file_and_a_folder_may_take_turns_with_a_name(files: Storage) {
    let over = Arc::new(AtomicBool::new(false));
    let onlooker = {
        let (files, over) = (files.clone(), over.clone());
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                for path in ["t/e", "t/e/f"] {
                    files.stat(path).await.expect("an answer");
                    drop(files.open(path, None).await.expect("an answer"));
                    list(&files, path).await;
                }
            }
        })
    };
    for _ in 0..20 {
        put(&files, "t/e", b"file").await;
        let Published::Obstructed(draft) =
            draft(&files, "t/e/f", b"below").await.publish("t/e/f", false).await.expect("an answer")
        else {
            panic!("it is below a file")
        };
        assert!(files.remove("t/e").await.expect("an answer"));
        published(draft.publish("t/e/f", false).await.expect("it is published"));
        assert!(!files.remove("t/e").await.expect("an answer"));
        assert!(files.remove("t/e/f").await.expect("an answer"));
        // A concurrent read may keep the folder for a moment.
        while !files.remove_folder("t/e").await.expect("an answer") {}
    }
    over.store(true, Ordering::Relaxed);
    onlooker.await.expect("the onlooker");
}
