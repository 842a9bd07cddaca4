//! Who bakes next: a queue that is fair among namespaces, first bakes before bakes that make a lost snapshot again.
//!
//! * Namespaces take turns. The one with the fewest bakes under way comes first, whatever the others have waiting.
//! * A function that has never answered waits for its first bake; one whose snapshot is made again answers by cold boots
//!   meanwhile. So second bakes start only when no first one waits.
//! * The last turn is kept for a first bake of a namespace that has none under way. Slow bakes of one namespace, or of
//!   functions that answer anyway, cannot hold up another namespace's first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// What is baked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A version that has not answered yet.
    First,
    /// The snapshot of a function that is served without it.
    Again,
}

/// The bakes of a node.
#[derive(Debug)]
pub struct BakeQueue(Mutex<Queue<oneshot::Sender<BakeTurn>>>);

/// The right to bake, given back when it is dropped.
#[derive(Debug)]
pub struct BakeTurn {
    queue: Arc<BakeQueue>,
    namespace: String,
}

impl BakeQueue {
    /// So many bakes at once, at least two.
    pub fn new(turns: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue::new(turns))))
    }

    /// Waits for a turn. Who drops this future leaves the queue.
    pub async fn enter(self: &Arc<Self>, namespace: &str, occasion: Occasion) -> BakeTurn {
        let (sender, receiver) = oneshot::channel();
        self.lock().push(namespace, occasion, sender);
        self.admit();
        match receiver.await {
            Ok(turn) => turn,
            // Senders leave the queue only with a turn, or when nobody waits for them.
            Err(_) => std::future::pending().await,
        }
    }

    fn admit(self: &Arc<Self>) {
        loop {
            let Some((namespace, waiter)) = self.lock().next(|waiter| !waiter.is_closed()) else { return };
            // A turn that finds nobody comes back here by its drop, once this loop has ended or waits for nothing.
            let _ = waiter.send(BakeTurn { queue: self.clone(), namespace });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<oneshot::Sender<BakeTurn>>> {
        // The queue is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BakeTurn {
    fn drop(&mut self) {
        self.queue.lock().done(&self.namespace);
        self.queue.admit();
    }
}

/// The order, without waiting.
#[derive(Debug)]
struct Queue<W> {
    free: usize,
    /// Bakes under way, by namespace.
    running: HashMap<String, usize>,
    first: Lines<W>,
    again: Lines<W>,
}

/// Those who wait, by namespace; the namespace at the front had its turn the longest time ago.
type Lines<W> = VecDeque<(String, VecDeque<W>)>;

impl<W> Queue<W> {
    fn new(turns: usize) -> Self {
        Self { free: turns.max(2), running: HashMap::new(), first: VecDeque::new(), again: VecDeque::new() }
    }

    fn push(&mut self, namespace: &str, occasion: Occasion, waiter: W) {
        let lines = match occasion {
            Occasion::First => &mut self.first,
            Occasion::Again => &mut self.again,
        };
        match lines.iter_mut().find(|(name, _)| name == namespace) {
            Some((_, line)) => line.push_back(waiter),
            None => lines.push_back((namespace.to_owned(), VecDeque::from([waiter]))),
        }
    }

    /// Takes the next one who still waits and may have a turn now.
    fn next(&mut self, waits: impl Fn(&W) -> bool) -> Option<(String, W)> {
        for lines in [&mut self.first, &mut self.again] {
            lines.iter_mut().for_each(|(_, line)| line.retain(&waits));
            lines.retain(|(_, line)| !line.is_empty());
        }
        let running = |namespace: &str| self.running.get(namespace).copied().unwrap_or(0);
        let fewest = |lines: &Lines<W>| {
            let counts = lines.iter().enumerate().map(|(at, (name, _))| (running(name), at));
            counts.min()
        };
        let (lines, at) = match (self.free, fewest(&self.first), fewest(&self.again)) {
            (2.., Some((_, at)), _) | (1, Some((0, at)), _) => (&mut self.first, at),
            (2.., None, Some((_, at))) => (&mut self.again, at),
            _ => return None,
        };
        let (namespace, mut line) = lines.remove(at)?;
        let waiter = line.pop_front()?;
        if !line.is_empty() {
            lines.push_back((namespace.clone(), line));
        }
        self.free -= 1;
        *self.running.entry(namespace.clone()).or_default() += 1;
        Some((namespace, waiter))
    }

    fn done(&mut self, namespace: &str) {
        self.free += 1;
        if let Some(count) = self.running.get_mut(namespace) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(turns: usize, waiting: &[(&str, Occasion, u32)]) -> Queue<u32> {
        let mut queue = Queue::new(turns);
        for (namespace, occasion, number) in waiting {
            queue.push(namespace, *occasion, *number);
        }
        queue
    }

    fn order(queue: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.next(|_| true)).map(|(_, number)| number).collect()
    }

    #[test]
    fn namespaces_take_turns() {
        use Occasion::First;
        let waiting = [("a", First, 1), ("a", First, 2), ("a", First, 3), ("b", First, 4), ("c", First, 5)];
        let mut queue = queue(4, &waiting);
        // The last turn is for a namespace without any.
        assert_eq!(order(&mut queue), [1, 4, 5]);
        queue.push("d", First, 6);
        assert_eq!(order(&mut queue), [6]);
        queue.done("b");
        assert_eq!(order(&mut queue), [0u32; 0], "one turn is left, and all who wait have a bake under way");
        queue.done("a");
        assert_eq!(order(&mut queue), [2]);
        queue.done("c");
        queue.done("d");
        assert_eq!(order(&mut queue), [3]);
    }

    #[test]
    fn bakes_of_what_answers_anyway_starve_nobody() {
        use Occasion::{Again, First};
        let mut queue = queue(3, &[("a", Again, 1), ("a", Again, 2), ("b", Again, 3), ("b", Again, 4)]);
        assert_eq!(order(&mut queue), [1, 3]);
        queue.push("a", First, 5);
        queue.push("c", First, 6);
        assert_eq!(order(&mut queue), [6], "a has a bake under way, and the last turn is for who has none");
        queue.done("b");
        assert_eq!(order(&mut queue), [0u32; 0]);
        queue.done("c");
        assert_eq!(order(&mut queue), [5], "before those of their own kind that waited longer");
        queue.done("a");
        queue.done("a");
        assert_eq!(order(&mut queue), [2, 4]);
    }

    #[test]
    fn who_left_is_passed_over() {
        use Occasion::First;
        let mut queue = queue(2, &[("a", First, 1), ("a", First, 2), ("b", First, 3)]);
        assert_eq!(queue.next(|number| *number == 3), Some(("b".to_owned(), 3)));
        assert!(queue.first.is_empty());
    }

    #[tokio::test]
    async fn turns_come_back_however_they_end() {
        let queue = BakeQueue::new(2);
        let first = queue.enter("a", Occasion::First).await;
        let other = queue.enter("b", Occasion::First).await;
        let mut leaves = Box::pin(queue.enter("a", Occasion::First));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(leaves.as_mut().poll(&mut context).is_pending());
        drop(leaves);
        let waits = tokio::spawn({
            let queue = queue.clone();
            async move { queue.enter("c", Occasion::Again).await }
        });
        drop(first);
        drop(other);
        drop(waits.await.unwrap());
        assert_eq!(queue.lock().free, 2);
        assert!(queue.lock().running.is_empty());
    }
}
