import EventLoop
import Logging

/// What a worker's connections wait for, and the timer that sees to it. Confined to its worker's thread.
final class Waits {
    private let context: NodeContext
    private let loop: Loop
    /// Lets the command of a wait that is due end, or look.
    private let resume: (Waiting, WaitEnding) -> Void
    private var queue = WaitQueue()
    /// For the first of them. There only once one waited.
    private var timer: Timer?
    /// When that timer calls, if it runs.
    private var timerDue = UInt64.max

    init(
        context: NodeContext, loop: Loop, resume: @escaping (Waiting, WaitEnding) -> Void
    ) {
        self.context = context
        self.loop = loop
        self.resume = resume
    }

    /// Called for a wait that begins, and for one that goes on.
    func attend(_ waiting: Waiting) {
        queue.put(waiting)
        startTimer()
    }

    /// It ends by itself, or has ended.
    func forget(_ waiting: Waiting) { queue.remove(waiting) }

    /// Takes all there are.
    func takeAll() -> [Waiting] {
        var all: [Waiting] = []
        while let waiting = queue.first {
            queue.remove(waiting)
            all.append(waiting)
        }
        return all
    }

    /// Starts the timer, if it does not run and should.
    func startTimer() {
        guard let first = queue.first, first.due < timerDue else { return }
        let now = NodeClock.nanoseconds()
        let milliseconds = (max(first.due, now) - now + 999_999) / 1_000_000
        do {
            let timer = try timer ?? Timer(loop: loop) { [unowned self] in attendDue() }
            self.timer = timer
            try timer.start(afterMilliseconds: Int(milliseconds))
            timerDue = first.due
        } catch {
            // The next second's maintenance tries again.
            context.logger.error("what waits may wait too long, a timer failed: \(error)")
        }
    }

    private func attendDue() {
        timerDue = .max
        let nanoseconds = NodeClock.nanoseconds()
        // All of them before the first goes on: it may wait again, for what is due by now.
        var due: [Waiting] = []
        while let waiting = queue.first, waiting.due <= nanoseconds {
            queue.remove(waiting)
            due.append(waiting)
        }
        for waiting in due { resume(waiting, waiting.ending(at: nanoseconds)) }
        startTimer()
    }

    /// The loop ends.
    func close() { timer = nil }
}
