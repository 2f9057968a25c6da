import Glibc
import Testing

@testable import EventLoop

/// The reading end of a pipe that is readable after `raise`.
private struct Signal: ~Copyable {
    let descriptor: Int32
    private let writingEnd: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        descriptor = ends[0]
        writingEnd = ends[1]
    }

    deinit {
        close(descriptor)
        close(writingEnd)
    }

    func raise() {
        let count = write(writingEnd, "x", 1)
        #expect(count == 1)
    }

    static func lower(_ descriptor: Int32) {
        var byte: UInt8 = 0
        let count = read(descriptor, &byte, 1)
        #expect(count == 1)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct EndOfTurnTests {
    @Test("A turn ends once, when everything that was ready has been handled")
    func endsOnce() throws {
        let loop = try Loop()
        var order: [String] = []
        loop.onEndOfTurn { order.append("end") }
        let one = try Signal()
        let other = try Signal()
        let events = try [("one", one.descriptor), ("other", other.descriptor)].map {
            (name, descriptor) in
            try DescriptorEvent(loop: loop, descriptor: descriptor, interest: .readable) { _ in
                Signal.lower(descriptor)
                order.append(name)
                loop.requestEndOfTurn()
            }
        }
        for event in events { try event.enable() }
        one.raise()
        other.raise()
        loop.runOnce()
        #expect(order.sorted() == ["end", "one", "other"] && order.last == "end")
        one.raise()
        loop.runOnce()
        #expect(order.suffix(2) == ["one", "end"])
    }

    @Test("A turn in which nobody asks for its end has none")
    func endsOnRequestOnly() throws {
        let loop = try Loop()
        var endCount = 0
        loop.onEndOfTurn { endCount += 1 }
        let signal = try Signal()
        let descriptor = signal.descriptor
        var turnCount = 0
        let event = try DescriptorEvent(
            loop: loop, descriptor: descriptor, interest: .readable
        ) { _ in
            Signal.lower(descriptor)
            turnCount += 1
            if turnCount == 2 { loop.requestEndOfTurn() }
        }
        try event.enable()
        for expected in [0, 1, 1] {
            signal.raise()
            loop.runOnce()
            #expect(endCount == expected)
        }
    }
}
