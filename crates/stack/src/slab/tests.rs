use super::*;

#[test]
fn numbers_are_used_again_with_a_new_generation() {
    let mut slab = Slab::new();
    let a = slab.insert("a");
    let b = slab.insert("b");
    let before = slab.generation(a);
    assert_eq!(slab.remove(a), Some("a"));
    assert_eq!(slab.remove(a), None);
    let c = slab.insert("c");
    assert_eq!(c, a);
    assert_ne!(slab.generation(c), before);
    assert_eq!(slab.iter().collect::<Vec<_>>(), [(c, &"c"), (b, &"b")]);
}

#[test]
fn it_grows_by_pages_and_keeps_records_in_place() {
    let mut slab = Slab::new();
    for n in 0..200u32 {
        assert_eq!(slab.insert(n), n);
    }
    assert_eq!(slab.len(), 200);
    assert_eq!(slab.bound(), 256);
    assert!((0..200).all(|n| slab.get(n) == Some(&n)));
    assert_eq!(slab.get(200), None);
    assert_eq!(slab.get(u32::MAX), None);
}
