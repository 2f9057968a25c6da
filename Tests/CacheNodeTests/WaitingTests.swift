import EventLoop
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// A command whose outcome comes later: nothing overtakes it, and it ends once, however it ends.
@Suite(.timeLimit(.minutes(10)))
struct WaitingTests {
    /// A command that is answered when the test says so.
    private final class Command: AwaitingCommand {
        var isReady = false
        private(set) var endings: [WaitEnding] = []
        private(set) var cancelCount = 0

        let needsPeer = false

        func finish(
            _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
            now: Moment
        ) -> AwaitingStep {
            guard ending != .ready || isReady else { return .waits(lookingAt: 5) }
            endings.append(ending)
            output.append(ending == .ready ? "DONE\r\n" : "OVER\r\n")
            return .answered
        }

        func cancel() { cancelCount += 1 }
    }

    private enum Event: CaseIterable {
        /// The outcome is there.
        case answer
        /// Somebody says so, and it is not.
        case look
        case overdue, peerLeft, stopping
        /// An answer for another wait.
        case late
        /// `mn` arrives.
        case input
        case close

        var ending: WaitEnding? {
            switch self {
            case .answer, .look: .ready
            case .overdue: .overdue
            case .peerLeft: .peerLeft
            case .stopping: .stopping
            case .late, .input, .close: nil
            }
        }
    }

    /// A connection that waits, and what is to be seen of it.
    private struct Model {
        enum State { case waits, answered, gone }
        var state = State.waits
        var pendingCount = 0
        var reply = ""
        var endings: [WaitEnding] = []

        mutating func note(_ event: Event) {
            guard state != .gone else { return }
            switch event {
            case .input: pendingCount += 1
            // Where nothing waits there is nothing to give up.
            case .close: if state == .waits { state = .gone }
            case .look, .late: break
            case .answer, .overdue, .peerLeft, .stopping:
                guard state == .waits, let ending = event.ending else { break }
                endings.append(ending)
                reply += ending == .ready ? "DONE\r\n" : "OVER\r\n"
                state = .answered
            }
            guard state == .answered else { return }
            reply += String(repeating: "MN\r\n", count: pendingCount)
            pendingCount = 0
        }

        var turn: Connection.Turn {
            switch state {
            case .waits: .waiting
            case .answered: .needsInput
            case .gone: .close
            }
        }
    }

    private static func waiting(_ command: Command, on node: InProcessNode) -> Waiting {
        Waiting(
            node.worker.makeTicket(descriptor: 7), until: 1_000, lookingAt: nil,
            command)
    }

    /// Does what a socket does. Returns false when nothing waited for it.
    private func run(
        _ event: Event, _ connection: Connection, _ command: Command, _ ticket: Ticket,
        _ node: InProcessNode
    ) -> Bool {
        switch event {
        case .input:
            let text = bytes("mn\r\n")
            connection.input.room().copyBytes(from: text)
            connection.noteReceived(direct: 0, buffered: text.count, now: node.now)
            return true
        case .close:
            connection.giveUp()
            return true
        case .late:
            let other = Ticket(
                worker: ticket.worker, descriptor: ticket.descriptor, number: ticket.number + 1_000)
            return connection.resume(other, .ready, now: node.now)
        case .answer:
            command.isReady = true
            return connection.resume(ticket, .ready, now: node.now)
        case .look, .overdue, .peerLeft, .stopping:
            command.isReady = false
            return connection.resume(ticket, event.ending ?? .ready, now: node.now)
        }
    }

    private func sent(_ connection: Connection) -> String {
        var all: [UInt8] = []
        while !connection.output.isEmpty {
            connection.output.send { pieces in
                guard case .one(let bytes) = pieces else { return 0 }
                all.append(contentsOf: bytes)
                return bytes.count
            }
        }
        return String(decoding: all, as: UTF8.self)
    }

    private func check(_ events: [Event], on node: InProcessNode) {
        let command = Command()
        var model = Model()
        do {
            let connection = node.makeConnection()
            let waiting = Self.waiting(command, on: node)
            let ticket = waiting.ticket
            connection.begin(waiting)
            var reply = ""
            for event in events {
                // What was closed is not asked for anything; it may be told of late answers.
                let wasWaiting = model.state == .waits
                if model.state == .gone, event == .input { continue }
                let isTaken = run(event, connection, command, ticket, node)
                model.note(event)
                if event.ending != nil { #expect(isTaken == wasWaiting, "\(events)") }
                if event == .late { #expect(!isTaken, "\(events)") }
                let turn = connection.run(commandLimit: 20, now: node.now)
                #expect(turn == model.turn, "\(events)")
                reply += sent(connection)
            }
            #expect(reply == model.reply, "\(events)")
            #expect(command.endings == model.endings, "\(events)")
            #expect(connection.state.waiting == nil || model.state == .waits, "\(events)")
        }
        // Who did not answer was told that nobody wants to know.
        #expect(command.cancelCount == (model.endings.isEmpty ? 1 : 0), "\(events)")
    }

    @Test("Every order of answer, look, time over, end, late answer, further input and close")
    func everyInterleaving() throws {
        let node = try InProcessNode()
        var sequences: [[Event]] = [[]]
        for _ in 0..<4 {
            sequences = sequences.flatMap { sequence in
                Event.allCases.map { sequence + [$0] }
            }
        }
        #expect(sequences.count == 8 * 8 * 8 * 8)
        for sequence in sequences { check(sequence, on: node) }
        #expect(node.pool.lentCount == 0)
    }

    @Test("No ticket comes twice, and an answer fits no later wait of the same connection")
    func lateAnswers() throws {
        let node = try InProcessNode()
        let connection = node.makeConnection()
        let first = Command()
        let wait = Self.waiting(first, on: node)
        let ticket = wait.ticket
        connection.begin(wait)
        #expect(connection.resume(ticket, .overdue, now: node.now))
        let second = Command()
        connection.begin(Self.waiting(second, on: node))
        second.isReady = true
        #expect(!connection.resume(ticket, .ready, now: node.now))
        #expect(connection.run(commandLimit: 20, now: node.now) == .waiting)
        #expect(sent(connection) == "OVER\r\n" && second.endings.isEmpty)
    }

    @Test("What is told to a worker comes to it once, in order, and wakes it up")
    func resumptions() throws {
        let node = try InProcessNode()
        let worker = try Worker(number: 0, context: node.context)
        let tickets = (0..<3).map { _ in node.worker.makeTicket(descriptor: 9) }
        #expect(Set(tickets).count == 3)
        for ticket in tickets { node.worker.resume(ticket) }
        #expect(node.worker.takeResumptions().map(\.ticket) == tickets)
        #expect(node.worker.takeResumptions() == [])
        // For connections that are not there.
        for ticket in tickets { node.worker.resume(ticket, .overdue) }
        worker.loop.poll()
        #expect(node.worker.takeResumptions() == [])
        worker.stop()
        worker.run()
    }

    @Test("Waits come up in the order of their times, whichever leave or change in between")
    func queue() throws {
        let node = try InProcessNode()
        var queue = WaitQueue()
        var generator = SeededGenerator(seed: 41)
        var all: [Waiting] = []
        for _ in 0..<500 {
            let due = UInt64.random(in: 0..<200, using: &generator)
            let waiting = Waiting(
                node.worker.makeTicket(descriptor: 7), until: due, lookingAt: nil,
                Command())
            all.append(waiting)
            queue.put(waiting)
            queue.put(waiting)
            if all.count % 3 == 0 {
                queue.remove(all.remove(at: Int.random(in: 0..<all.count, using: &generator)))
            }
        }
        #expect(queue.count == all.count)
        var times: [UInt64] = []
        while let first = queue.first {
            times.append(first.due)
            queue.remove(first)
            queue.remove(first)
        }
        #expect(times == all.map(\.due).sorted())
    }

    @Test("A wait is due when its time is over, or when its command wants to look before")
    func times() throws {
        let node = try InProcessNode()
        let command = Command()
        let waiting = Waiting(
            node.worker.makeTicket(descriptor: 7), until: 100, lookingAt: 200,
            command)
        #expect(waiting.due == 100)
        #expect(waiting.ending(at: 99) == .ready && waiting.ending(at: 100) == .overdue)
        let connection = node.makeConnection()
        connection.begin(waiting)
        #expect(connection.resume(waiting.ticket, .ready, now: node.now))
        #expect(waiting.due == 5)
    }
}
