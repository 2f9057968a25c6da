#if DEBUG || Fuzzing
    import MemcacheProtocol
    import SessionMap
    import TestSupport

    @testable import CacheNode
    @testable import Cluster
    @testable import NodeStage

    /// One of three members, or a front of them, with the node's own store: what `Peers` does with it, without
    /// threads, sockets and a clock. Throws when the member breaks a promise.
    final class FuzzMember {
        static let itemByteCountMax = 16 << 10
        static let memberCount = 3
        /// The member's number, of which one peer is lower and one higher; a front's is beyond all.
        static let number = 1
        static let frontNumber = 255
        /// Of all processes, so that inputs can have the numbers of operations in them.
        static let process: UInt64 = 1
        /// Of the hashes that members agree on.
        static let seed: UInt64 = 17
        /// Where its own clock starts, and that of versions.
        static let start: UInt64 = 10_000_000
        static let wall: UInt64 = 60_000_000_000_000

        private let isFront: Bool
        private let node: InProcessNode
        private let gates = ReadGates(memberCount: memberCount)
        private let time: Time
        private let store: NodeStore
        private let member: Member
        private var now = start
        private var clientCount: UInt64 = 0
        private var waiting: Set<UInt64> = []
        private var surveys: [Int: UInt32] = [:]
        /// What it has sent, by type.
        private(set) var sentCounts: [UInt8: Int] = [:]

        /// Shared with the store, which asks for it.
        private final class Time {
            var wall = FuzzMember.wall
        }

        /// - Parameters:
        ///   - knowsOthersAway: by an earlier process, which has outlived them.
        ///   - hasEvicted: so that what is not there may be at the other owner.
        ///   - mayHoldLater: whether nobody has looked yet at what an earlier process has left.
        init(
            isFront: Bool, knowsOthersAway: Bool, hasEvicted: Bool, mayHoldLater: Bool
        ) throws {
            self.isFront = isFront
            let me = isFront ? Self.frontNumber : Self.number
            let node = try Self.makeNode(me: isFront ? nil : me)
            let time = Time()
            let store = NodeStore(
                member: UInt8(me), map: node.map, clock: node.space.clock,
                wall: { time.wall },
                performer: Performer(
                    context: node.context, listener: node.listener, worker: node.worker),
                gates: gates, seed: Self.seed, tombstoneCountMax: 10_000,
                hasEvicted: { hasEvicted })
            if !mayHoldLater { store.noteVersionAtStart(0) }
            self.node = node
            self.store = store
            self.time = time
            member = Member(
                me: me, isFront: isFront, memberCount: Self.memberCount, process: Self.process,
                store: store, times: PairTimes(solitude: 1_000_000),
                away: knowsOthersAway ? [0, 2] : [], appliedCountMax: 8, now: now,
                owners: Self.owners)
        }

        private static func makeNode(me: Int?) throws -> InProcessNode {
            var configuration = NodeConfiguration.small
            configuration.memoryByteCount = 1 << 20
            configuration.itemByteCountMax = itemByteCountMax
            configuration.locks.keys = ["*.lock"].compactMap { LockKeys($0) }
            let members = (0..<memberCount).map {
                ($0, PeerDefinition.Member(name: "\($0)", host: "", port: 0))
            }
            configuration.peers = PeerConfiguration(
                PeerDefinition(
                    members: Dictionary(uniqueKeysWithValues: members), hash: 0, owners: owners),
                me: me, clusterName: "fuzzed")
            return try InProcessNode(configuration)
        }

        /// Each pair of them, in both orders, and what has one owner only.
        static func owners(_ key: [UInt8]) -> (first: Int, second: Int?) {
            let all: [(Int, Int?)] = [
                (0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0), (1, nil), (0, nil),
            ]
            return all[Int((key.first ?? 0) & 7)]
        }

        // MARK: What happens

        /// What has come by a link; false when the link is to be closed.
        func take(_ message: PeerMessage, by link: inout FuzzLink) throws -> Bool {
            switch message {
            case .statement(let statement):
                let isFirst = !link.isBegun && link.carriesFrames
                if isFirst { link.isBegun = true }
                if isFirst, link.isFronts {
                    member.linkedFront(link.peer, now: now)
                } else if isFirst {
                    member.linked(link.peer, statement, now: now)
                } else {
                    member.heard(link.peer, statement, now: now)
                }
            case .frame(let frame):
                guard link.isBegun, frame.isPlausible else { return false }
                if let number = frame.number, !isKnown(number) { return true }
                try receive(frame, from: link.peer)
            }
            try carryOut()
            return true
        }

        private func receive(_ frame: PeerFrame, from peer: Int) throws {
            guard case .refuse(let sequence, let stamp) = frame,
                let (operation, _) = member.operations.replication(sequence, by: peer)
            else { return member.receive(frame, from: peer, now: now) }
            member.receive(frame, from: peer, now: now)
            guard let again = member.operations[operation.request.number],
                case .replicating = again.progress, let next = again.made?.state.stamp
            else { return }
            guard next > stamp, VersionClock.isPossible(next.version) else {
                throw BrokenPromise("what was refused is sent again, and refused again")
            }
        }

        /// Nobody guesses what number a client's command will have: where they begin is random, of 32 bits.
        private func isKnown(_ number: OperationNumber) -> Bool {
            let last = OperationNumber(
                member: UInt8(member.me), worker: 0, count: member.countOfOperations)
            return number.bits >> 48 != last.bits >> 48 || number.bits <= last.bits
        }

        func open(_ link: FuzzLink) throws {
            guard link.carriesFrames, !link.isFronts else { return }
            member.sayHello(to: link.peer, now: now)
            try carryOut()
        }

        func close(_ link: FuzzLink) throws {
            guard link.carriesFrames else { return }
            member.unlinked(link.peer, now: now)
            try carryOut()
        }

        func ask(_ command: [UInt8]) throws {
            let shape = CommandShape.of(
                command.span, isBinary: command.first == BinaryHeader.requestMagic,
                valueByteCountMax: Self.itemByteCountMax)
            guard case .keyed(let keyed) = shape, keyed.byteCount == command.count else { return }
            let key = keyed.withKey(in: command.span) { $0.withUnsafeBytes { Array($0) } }
            clientCount += 1
            waiting.insert(clientCount)
            member.ask(
                clientCount, key: key, isRead: keyed.isRead, command: command, now: now)
            try carryOut()
        }

        func flush(afterSeconds delay: Int) throws {
            clientCount += 1
            waiting.insert(clientCount)
            member.flushAll(clientCount, after: UInt32(delay), now: now)
            try carryOut()
        }

        func wait(microseconds: Int, seconds: Int = 0) throws {
            now += UInt64(microseconds)
            time.wall += UInt64(microseconds)
            if seconds > 0 {
                node.space.clock.advance(seconds: Int64(seconds))
                for shard in 0..<node.map.shardCount {
                    _ = node.map.maintain(shard: shard, now: node.now.seconds, itemBudget: 64)
                }
                store.maintain()
            }
            member.tick(now: now)
            try carryOut()
        }

        func survey() throws {
            for (peer, number) in surveys.sorted(by: { $0.key < $1.key }) {
                surveys[peer] = nil
                let survey = NodeStore.survey(
                    node.map, store.deletions.all, seed: Self.seed,
                    now: node.now.seconds
                ) { key, _ in isShared(key, with: peer) }
                member.take(survey, for: peer, number: number, now: now)
                try carryOut()
            }
        }

        private func isShared(_ key: [UInt8], with peer: Int) -> Bool {
            let (first, second) = Self.owners(key)
            return first == member.me && second == peer || first == peer && second == member.me
        }

        func note(_ key: [UInt8]) throws {
            guard (1...KeyState.keyByteCountMax).contains(key.count) else { return }
            member.note(key)
            try carryOut()
        }

        // MARK: What comes of it

        private func carryOut() throws {
            while let effect = member.takeEffect() { try carryOut(effect) }
            guard VersionClock.isPossible(store.flushed.version) else {
                throw BrokenPromise("whatever is stored is gone: \(store.flushed)")
            }
            store.isEverybodyHere = (0..<Self.memberCount).allSatisfy {
                $0 == member.me || member.standing(to: $0) == .together
            }
        }

        private func carryOut(_ effect: Member.Effect) throws {
            switch effect {
            case .reply(let client, _), .hangUp(let client):
                guard waiting.remove(client) != nil else {
                    throw BrokenPromise("a client is told twice")
                }
            case .send(_, let frame): try noteSent(.frame(frame))
            case .state(_, let statement): try noteSent(.statement(statement))
            case .survey(let peer, let number): surveys[peer] = number
            case .wants, .acts, .outlives: break
            }
        }

        private func noteSent(_ message: PeerMessage) throws {
            sentCounts[try FrameReading.checkSent(message), default: 0] += 1
        }

        private var isWaiting: Bool {
            !waiting.isEmpty || member.operationCount > 0 || !member.flushes.isEmpty
        }

        /// All links have ended: whoever waits is told something, in the end.
        func finish() throws {
            for _ in 0..<200 where isWaiting { try wait(microseconds: 50_000) }
            guard !isWaiting else {
                throw BrokenPromise(
                    "\(waiting.count) clients, \(member.operationCount) operations and "
                        + "\(member.flushes.count) flushes wait")
            }
            guard !(0..<1_024 as Range<UInt64>).contains(where: { gates.mayBeUnsettled($0) }) else {
                throw BrokenPromise("a key is not settled")
            }
            if let sentence = node.map.brokenInvariants().first { throw BrokenPromise(sentence) }
        }
    }

    extension PeerFrame {
        /// Of the operation that it is about.
        fileprivate var number: OperationNumber? {
            switch self {
            case .forward(let request, _): request.number
            case .outcome(let number, _), .decline(let number), .replicate(_, let number, _, _):
                number
            case .flush(let number, _, _), .flushed(let number, _), .fetch(let number, _),
                .fetched(let number, _):
                number
            case .inform(let number, _, _): number
            default: nil
            }
        }
    }

    /// A link of a member, by what somebody at its other end may be.
    struct FuzzLink {
        let peer: Int
        /// Or statements alone.
        let carriesFrames: Bool
        let isFronts: Bool
        /// Whether the peer's first statement has come.
        var isBegun = false
        var isOpen = true
        var reading = FrameReading()

        init(peer: Int, carriesFrames: Bool = true, isFronts: Bool = false) {
            self.peer = peer
            self.carriesFrames = carriesFrames
            self.isFronts = isFronts
        }

        /// Another one in its place.
        var next: FuzzLink {
            FuzzLink(peer: peer, carriesFrames: carriesFrames, isFronts: isFronts)
        }
    }
#endif
