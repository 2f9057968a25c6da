import Glibc
import SessionMap
import Synchronization

/// A space's time: seconds on the boot-time clock, which nobody can set.
///
/// It starts at `Deadline.clockStart` with a new map, and goes on with one that is taken over: time
/// spent down has passed. Its seconds begin with those of the boot-time clock, so that nothing is
/// gained or lost by a restart, however many there are.
///
/// Only a client's `debugtime` (with `-o debugtime`) moves it otherwise; it moves the wall clock that
/// absolute exptimes are compared with by as much.
final class NodeClock: Sendable {
    /// On the boot-time clock, at a whole second.
    private let startNanoseconds: Int64
    private let bootID: [UInt8]

    /// Which start of the machine this is; 16 bytes, zero where the kernel does not tell.
    static let bootID = readBootID()
    /// What the clock showed when the node started.
    let startSeconds: UInt32
    /// Between the last moment that was kept of the map that was taken over, and the start.
    let secondsAway: UInt32
    private let offsetSeconds = Atomic<Int64>(0)
    /// The moment at which the clock was stopped, in seconds; negative while it runs.
    private let pausedAt = Atomic<Int64>(-1)
    /// How often it was moved or stopped.
    private let changeCount = Atomic<UInt64>(0)

    /// - Parameter saved: the clock of the map that is taken over.
    init(resuming saved: SavedClock? = nil) {
        let bootSeconds = Self.read(CLOCK_BOOTTIME) / 1_000_000_000
        startNanoseconds = bootSeconds * 1_000_000_000
        bootID = Self.bootID
        guard let saved else {
            startSeconds = Deadline.clockStart
            secondsAway = 0
            return
        }
        startSeconds = saved.nodeSeconds(
            bootID: bootID, bootSeconds: bootSeconds,
            wallSeconds: Self.read(CLOCK_REALTIME_COARSE) / 1_000_000_000)
        secondsAway = startSeconds - min(startSeconds, saved.nodeSeconds)
    }

    /// What to keep with a map that outlives the process.
    func saved() -> SavedClock {
        // One reading for both: another second may have begun by the next.
        let nanoseconds = Self.read(CLOCK_BOOTTIME)
        return SavedClock(
            nodeSeconds: moment(bootNanoseconds: nanoseconds).seconds,
            bootSeconds: UInt32(clamping: nanoseconds / 1_000_000_000),
            wallSeconds: UInt32(clamping: Self.read(CLOCK_REALTIME_COARSE) / 1_000_000_000),
            bootID: bootID)
    }

    private static func readBootID() -> [UInt8] {
        var text = [UInt8](repeating: 0, count: 36)
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        if descriptor >= 0 {
            _ = Glibc.read(descriptor, &text, text.count)
            close(descriptor)
        }
        let digits = text.compactMap { UInt8(String(UnicodeScalar($0)), radix: 16) }
        return (0..<16).map { index in
            index * 2 + 1 < digits.count ? digits[index * 2] << 4 | digits[index * 2 + 1] : 0
        }
    }

    /// The present moment, read once per wake-up.
    func now() -> Moment { moment(bootNanoseconds: Self.read(CLOCK_BOOTTIME)) }

    /// Unix time, in millionths of a second.
    func wallMicroseconds() -> Int64 {
        let microseconds = Self.read(CLOCK_REALTIME) / 1_000
        let offset = offsetSeconds.load(ordering: .relaxed)
        // A clock that stands still shows whole seconds.
        if pausedAt.load(ordering: .relaxed) >= 0 { return now().wallSeconds * 1_000_000 }
        return microseconds + offset * 1_000_000
    }

    /// By how many seconds the clock of births, which counts from 2025 on, is ahead of this one. A machine that does
    /// not know the year yet says 0.
    func birthClockLead() -> Int64 {
        let now = now()
        return max(0, now.wallSeconds - Self.birthEpochSeconds - Int64(now.seconds))
    }

    /// Unix time of the first of January 2025.
    static let birthEpochSeconds: Int64 = 1_735_689_600

    // MARK: Waiting

    /// Nanoseconds on the boot-time clock: what waits is not helped by `debugtime`. Costs a reading.
    static func nanoseconds() -> UInt64 { UInt64(Self.read(CLOCK_BOOTTIME)) }

    /// Whether another second has begun between two moments of `nanoseconds`.
    func isSecondOver(between begin: UInt64, and end: UInt64) -> Bool {
        // This clock's seconds are those of the machine's.
        begin / 1_000_000_000 != end / 1_000_000_000
    }

    /// When the node's clock will show a deadline, in `nanoseconds`, if it goes on as it does; nothing
    /// while it stands still, and for never.
    func nanoseconds(at deadline: Deadline) -> UInt64? {
        guard deadline != .never, pausedAt.load(ordering: .relaxed) < 0 else { return nil }
        let elapsed =
            Int64(deadline.seconds) - Int64(startSeconds)
            - offsetSeconds.load(ordering: .relaxed)
        return UInt64(max(0, startNanoseconds + elapsed * 1_000_000_000))
    }

    /// The machine's Unix time.
    private static func wallSeconds() -> Int64 { read(CLOCK_REALTIME_COARSE) / 1_000_000_000 }

    private func moment(bootNanoseconds: Int64) -> Moment {
        moment(bootNanoseconds: bootNanoseconds, wallSeconds: Self.wallSeconds())
    }

    private func moment(bootNanoseconds: Int64, wallSeconds wall: Int64) -> Moment {
        let nanoseconds = bootNanoseconds - startNanoseconds
        let elapsed = nanoseconds / 1_000_000_000
        let offset = offsetSeconds.load(ordering: .relaxed)
        let paused = pausedAt.load(ordering: .relaxed)
        let shift = paused >= 0 ? paused - elapsed : offset
        let seconds = Int64(startSeconds) + elapsed + shift
        return Moment(
            seconds: UInt32(clamping: max(seconds, Int64(Deadline.clockStart))),
            fraction: paused >= 0
                ? 0 : UInt32((nanoseconds - elapsed * 1_000_000_000) / 62_500_000),
            wallSeconds: wall + shift)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        let result = clock_gettime(clock, &time)
        precondition(result == 0, "a clock that every kernel has")
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    // MARK: debugtime

    /// What it can be moved by in all: no deadline is so far away, and no sum of these overflows.
    private static let offsetRange: ClosedRange<Int64> = -(1 << 32)...(1 << 32)

    private static func moved(_ place: Int64, by seconds: Int64) -> Int64 {
        let (sum, isTooFar) = place.addingReportingOverflow(seconds)
        guard !isTooFar else {
            return seconds < 0 ? offsetRange.lowerBound : offsetRange.upperBound
        }
        return min(max(sum, offsetRange.lowerBound), offsetRange.upperBound)
    }

    func advance(seconds: Int64) {
        defer { noteChange() }
        let paused = pausedAt.load(ordering: .relaxed)
        if paused >= 0 {
            pausedAt.store(max(0, Self.moved(paused, by: seconds)), ordering: .relaxed)
        }
        let offset = offsetSeconds.load(ordering: .relaxed)
        offsetSeconds.store(Self.moved(offset, by: seconds), ordering: .relaxed)
    }

    func pause() {
        defer { noteChange() }
        // Not before the start: that would be no pause.
        let shown = max(0, Int64(now().seconds) - Int64(startSeconds))
        _ = pausedAt.compareExchange(expected: -1, desired: shown, ordering: .relaxed)
    }

    func resume() {
        let paused = pausedAt.load(ordering: .relaxed)
        guard paused >= 0 else { return }
        let elapsed = (Self.read(CLOCK_BOOTTIME) - startNanoseconds) / 1_000_000_000
        offsetSeconds.store(paused - elapsed, ordering: .relaxed)
        pausedAt.store(-1, ordering: .relaxed)
        noteChange()
    }

    private func noteChange() { changeCount.wrappingAdd(1, ordering: .releasing) }
}

extension NodeClock {
    /// The moment that a clock showed last, and for how long it does: a sixteenth of a second, of which a moment knows
    /// no more. For whoever asks thousands of times a second, and has asked the machine's clock anyway.
    ///
    /// Unix time is read each time: somebody may set it, and from then on dates are meant by the new one.
    struct Shown {
        let moment: Moment
        /// From the machine's Unix time to the clock's.
        private let wallShift: Int64
        private let end: UInt64
        private let changeCount: UInt64

        /// - Parameter nanoseconds: what `NodeClock.nanoseconds` tells now.
        init(_ clock: NodeClock, nanoseconds: UInt64) {
            // Before anything is read: what changes then is seen the next time.
            changeCount = clock.changeCount.load(ordering: .acquiring)
            let wall = NodeClock.wallSeconds()
            moment = clock.moment(bootNanoseconds: Int64(nanoseconds), wallSeconds: wall)
            wallShift = moment.wallSeconds - wall
            // A clock begins with one of the machine's seconds.
            end = (nanoseconds / Self.stepNanoseconds + 1) * Self.stepNanoseconds
        }

        private static let stepNanoseconds: UInt64 = 62_500_000

        /// What the clock, which must be the same one, shows; nothing if that has to be looked for.
        @inline(__always)
        func moment(of clock: NodeClock, nanoseconds: UInt64) -> Moment? {
            guard nanoseconds < end,
                changeCount == clock.changeCount.load(ordering: .acquiring)
            else { return nil }
            var moment = moment
            moment.wallSeconds = NodeClock.wallSeconds() + wallShift
            return moment
        }
    }
}

/// A moment on both clocks.
package struct Moment: Equatable, Sendable {
    /// On the node's clock.
    package var seconds: UInt32
    /// Sixteenths of a second on top.
    package var fraction: UInt32
    /// Unix time.
    package var wallSeconds: Int64

    package init(seconds: UInt32, fraction: UInt32 = 0, wallSeconds: Int64) {
        self.seconds = seconds
        self.fraction = fraction
        self.wallSeconds = wallSeconds
    }
}
