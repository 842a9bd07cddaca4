//! Epoll against what epoll(7) says, and against a model that looks at every descriptor.

use super::*;
use std::cell::Cell;

/// A file whose readiness a test sets.
struct Switch {
    ready: Cell<Ready>,
    queue: WaitQueue,
}

impl File for Switch {
    fn ready(&self) -> Ready {
        self.ready.get()
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn open(file: Rc<dyn File>) -> Rc<OpenFile> {
    OpenFile::new(file, 0)
}

fn switch() -> (Rc<Switch>, Rc<OpenFile>) {
    let switch = Rc::new(Switch { ready: Cell::new(Ready::empty()), queue: WaitQueue::default() });
    let file = open(Rc::clone(&switch) as Rc<dyn File>);
    (switch, file)
}

impl Switch {
    fn set(&self, ready: Ready) {
        self.ready.set(ready);
        self.queue.wake_for(ready.bits());
    }
}

fn want(events: u32, data: u64) -> EpollEvent {
    EpollEvent { events, data }
}

fn seen(epoll: &Epoll) -> Vec<(u64, u32)> {
    epoll.collect(100).into_iter().map(|event| ({ event.data }, { event.events })).collect()
}

#[test]
fn level_reports_again_edge_once_per_wake() {
    let epoll = Epoll::default();
    let (level, level_file) = switch();
    let (edge, edge_file) = switch();
    epoll.add(3, &level_file, want(raw::EPOLLIN, 3)).unwrap();
    epoll.add(4, &edge_file, want(raw::EPOLLIN | raw::EPOLLET, 4)).unwrap();
    assert_eq!(seen(&epoll), []);
    level.set(Ready::IN);
    edge.set(Ready::IN);
    assert_eq!(seen(&epoll), [(3, 1), (4, 1)]);
    assert_eq!(seen(&epoll), [(3, 1)]);
    edge.set(Ready::IN);
    level.set(Ready::empty());
    assert_eq!(seen(&epoll), [(4, 1)]);
    edge.queue.wake_for(Ready::OUT.bits());
    assert_eq!(seen(&epoll), []);
    assert_eq!(epoll.ready(), Ready::empty());
}

#[test]
fn oneshot_sleeps_until_modified() {
    let epoll = Epoll::default();
    let (one, file) = switch();
    one.set(Ready::IN);
    epoll.add(3, &file, want(raw::EPOLLIN | raw::EPOLLONESHOT, 3)).unwrap();
    assert_eq!(seen(&epoll), [(3, 1)]);
    one.set(Ready::IN);
    assert_eq!(seen(&epoll), []);
    epoll.modify(3, &file, want(raw::EPOLLIN | raw::EPOLLONESHOT, 5)).unwrap();
    assert_eq!(seen(&epoll), [(5, 1)]);
}

#[test]
fn errors_are_those_of_the_manual() {
    let epoll = Epoll::default();
    let (_, file) = switch();
    assert_eq!(epoll.modify(3, &file, want(1, 0)), Err(Errno::ENOENT));
    assert_eq!(epoll.remove(3, &file), Err(Errno::ENOENT));
    epoll.add(3, &file, want(1, 0)).unwrap();
    assert_eq!(epoll.add(3, &file, want(1, 0)), Err(Errno::EEXIST));
    epoll.add(4, &file, want(1, 0)).unwrap();
    let exclusive = want(raw::EPOLLEXCLUSIVE | raw::EPOLLONESHOT, 0);
    assert_eq!(epoll.add(5, &file, exclusive), Err(Errno::EINVAL));
    epoll.remove(3, &file).unwrap();
    assert_eq!(epoll.remove(3, &file), Err(Errno::ENOENT));
}

#[test]
fn the_last_close_removes_an_item() {
    let epoll = Epoll::default();
    let (one, file) = switch();
    let duplicate = Rc::clone(&file);
    one.set(Ready::IN);
    epoll.add(3, &file, want(raw::EPOLLIN, 3)).unwrap();
    drop(file);
    assert_eq!(seen(&epoll), [(3, 1)]);
    drop(duplicate);
    assert_eq!(seen(&epoll), []);
    let (_, file) = switch();
    epoll.add(3, &file, want(raw::EPOLLIN, 4)).unwrap();
    assert_eq!(epoll.state.borrow().items.len(), 1);
}

#[test]
fn instances_nest_without_loops() {
    let instances: Vec<Rc<OpenFile>> = (0..6).map(|_| open(Rc::new(Epoll::default()))).collect();
    let epoll = |index: usize| instances[index].file.as_any().downcast_ref::<Epoll>().unwrap();
    for index in 0..4 {
        nesting::check(epoll(index), &instances[index + 1]).unwrap();
        epoll(index).add(9, &instances[index + 1], want(raw::EPOLLIN, index as u64)).unwrap();
    }
    assert_eq!(nesting::check(epoll(3), &instances[0]), Err(Errno::ELOOP));
    assert_eq!(nesting::check(epoll(5), &instances[0]), Err(Errno::ELOOP));
    let (one, file) = switch();
    epoll(4).add(3, &file, want(raw::EPOLLIN, 7)).unwrap();
    assert_eq!(epoll(0).ready(), Ready::empty());
    one.set(Ready::IN);
    assert_eq!(seen(epoll(0)), [(0, 1)]);
    assert_eq!(seen(epoll(4)), [(7, 1)]);
}

#[test]
fn level_triggering_equals_looking_at_everything() {
    let mut seed = 7u64;
    let mut step = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    let epoll = Epoll::default();
    let mut switches: Vec<Option<(Rc<Switch>, Rc<OpenFile>)>> = (0..40).map(|_| None).collect();
    for _ in 0..5000 {
        let fd = step() % 40;
        match (step() % 4, &switches[fd]) {
            (0, None) => {
                let (switch, file) = switch();
                epoll.add(fd as u32, &file, want(raw::EPOLLIN, fd as u64)).unwrap();
                switches[fd] = Some((switch, file));
            }
            (0, Some(_)) => switches[fd] = None,
            (1, Some((switch, _))) => switch.set(Ready::IN),
            (2, Some((switch, _))) => switch.set(Ready::OUT),
            _ => {
                let is_ready = |one: &Option<(Rc<Switch>, Rc<OpenFile>)>| {
                    one.as_ref().is_some_and(|(switch, _)| switch.ready().contains(Ready::IN))
                };
                let model: Vec<u64> =
                    (0..40).filter(|fd| is_ready(&switches[*fd])).map(|fd| fd as u64).collect();
                let mut real: Vec<u64> = seen(&epoll).into_iter().map(|(data, _)| data).collect();
                real.sort_unstable();
                assert_eq!(real, model);
            }
        }
    }
}
