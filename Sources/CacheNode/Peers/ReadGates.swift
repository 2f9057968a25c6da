import Cluster
import Synchronization

/// By which a worker knows, without the member's lock, whether it may answer a read from the node's own memory.
final class ReadGates: Sendable {
    private final class Gate: Sendable {
        let value = Atomic<UInt64>(0)

        /// Where nobody else changes it meanwhile.
        @inline(__always)
        func change(_ body: (UInt64) -> UInt64) {
            value.store(body(value.load(ordering: .relaxed)), ordering: .releasing)
        }
    }

    /// By member and whether this node is the first owner: until when, in microseconds of the boot-time clock.
    private let times: [Gate]
    /// The earliest of `times`: until then nobody has to ask whose a key is.
    private let timeOfAll = Gate()
    private let nobodyIsAway = Gate()
    /// By the keys' hashes in the map: how many changes are under way that are not at both owners.
    private let unsettled: [Gate]
    /// The sum of `unsettled`: as long as it is 0 nobody has to hash a key.
    private let unsettledSum = Gate()
    private static let unsettledCount = 1_024
    /// How often it has become another matter whose a key is.
    private let epochCount = Gate()

    init(memberCount: Int = MemberSet.memberCountMax) {
        times = (0..<2 * memberCount).map { _ in Gate() }
        unsettled = (0..<Self.unsettledCount).map { _ in Gate() }
    }

    /// To be compared before and after something was read: what was allowed is not any more once it is another one.
    var epoch: UInt64 { epochCount.value.load(ordering: .acquiring) }

    /// Closes all: who owns a key is another matter from now on.
    func beginEpoch() {
        timeOfAll.value.store(0, ordering: .releasing)
        for time in times { time.value.store(0, ordering: .releasing) }
        epochCount.value.add(1, ordering: .acquiringAndReleasing)
    }

    func set(peer: Int, isFirst: Bool, until time: UInt64) {
        times[2 * peer + (isFirst ? 1 : 0)].value.store(time, ordering: .releasing)
    }

    func setAll(until time: UInt64, isEverybodyHere: Bool) {
        timeOfAll.value.store(time, ordering: .releasing)
        nobodyIsAway.value.store(isEverybodyHere ? 1 : 0, ordering: .releasing)
    }

    /// Whether no member is away, who would have to hear of each change of its own.
    var isEverybodyHere: Bool { nobodyIsAway.value.load(ordering: .acquiring) != 0 }

    /// Until when all that both own with anybody may be read; 0 for not at all.
    var allAreOpenUntil: UInt64 { timeOfAll.value.load(ordering: .acquiring) }

    func isOpenUntil(peer: Int, isFirst: Bool) -> UInt64 {
        times[2 * peer + (isFirst ? 1 : 0)].value.load(ordering: .acquiring)
    }

    private func counter(_ hash: UInt64) -> Gate {
        unsettled[Int(hash % UInt64(Self.unsettledCount))]
    }

    /// Called by one thread at a time, as `settle` is: whoever has the member's lock.
    func unsettle(hash: UInt64) {
        unsettledSum.change { $0 + 1 }
        counter(hash).change { $0 + 1 }
    }

    func settle(hash: UInt64) {
        counter(hash).change { $0 - 1 }
        unsettledSum.change { $0 - 1 }
    }

    /// Whether the key with this hash, or another one, may have a change that can still be lost.
    func mayBeUnsettled(_ hash: @autoclosure () -> UInt64) -> Bool {
        unsettledSum.value.load(ordering: .acquiring) != 0
            && counter(hash()).value.load(ordering: .acquiring) != 0
    }
}
