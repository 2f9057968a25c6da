import TestSupport
import Testing

@testable import CacheNode

/// What is asked of a predecessor's server and owed to it: nothing that is out of date may come from it.
@Suite(.timeLimit(.minutes(10)))
struct PredecessorBookTests {
    private let worker = WorkerRecord(number: 0)

    private func settlement() -> Settlement {
        let settlement = Settlement(worker: worker, ticket: worker.makeTicket(descriptor: 5))
        settlement.expect(1)
        return settlement
    }

    private func reader() -> PredecessorBook.Waiter {
        .init(settlement: settlement(), changes: false)
    }
    private func changer() -> PredecessorBook.Waiter {
        .init(settlement: settlement(), changes: true)
    }
    private let key = Array("k".utf8)

    private func connected() -> PredecessorBook {
        var book = PredecessorBook()
        book.connected()
        return book
    }

    @Test(
        "A key is asked for once; readers go on with what is found, who changes it when it is cleared there"
    )
    func once() {
        var book = connected()
        let (one, two, three) = (reader(), changer(), reader())
        #expect(book.settle(key, one) == true)
        #expect(book.settle(key, two) == true)
        #expect(book.settle(key, three) == true)
        #expect(book.takeOrders() == [.ask(key)])
        var storedCount = 0
        let readers = book.found(key) {
            storedCount += 1
            return .stored
        }
        #expect(
            readers.count == 2 && readers[0] === one.settlement && readers[1] === three.settlement)
        #expect(storedCount == 1)
        #expect(book.takeOrders() == [.clear(key)])
        let rest = book.missing(key)
        #expect(rest.count == 1 && rest[0] === two.settlement)
        #expect(book.askedCount == 0)
    }

    @Test("An answer that comes after a change is dropped, and cleared there")
    func void() {
        var book = connected()
        let waiter = changer()
        #expect(book.settle(key, waiter) == true)
        _ = book.takeOrders()
        #expect(book.overdue(key, waiter.settlement) == true)
        #expect(book.isLate)
        #expect(book.settle(key, reader()) == false)
        #expect(
            book.found(key) {
                Issue.record("stored")
                return .stored
            }.isEmpty)
        #expect(book.takeOrders() == [.clear(key)])
        book.catchUp()
        _ = book.missing(key)
        #expect(book.settle(key, reader()) == true)
    }

    @Test("An answer that comes after a reader has gone is as good as ever")
    func lateRead() {
        var book = connected()
        let waiter = reader()
        #expect(book.settle(key, waiter) == true)
        #expect(book.overdue(key, waiter.settlement) == true)
        #expect(book.overdue(key, waiter.settlement) == false)
        var isStored = false
        _ = book.found(key) {
            isStored = true
            return .stored
        }
        #expect(isStored)
    }

    @Test("What was changed while it is away is told first, and not asked for before")
    func owed() {
        var book = connected()
        let other = Array("other".utf8)
        #expect(book.settle(key, changer()) == true)
        #expect(book.settle(other, reader()) == true)
        let orders = book.takeOrders()
        #expect(book.lost(unanswered: orders).count == 2)
        #expect(book.standing == .away)
        #expect(book.owedCount == 1)
        #expect(book.settle(Array("third".utf8), changer()) == false)
        #expect(book.settle(other, reader()) == false)
        #expect(book.owedCount == 2)
        book.connected()
        #expect(
            Set(book.takeOrders().map { "\($0)" })
                == Set([
                    "\(PredecessorBook.Order.clear(key))",
                    "\(PredecessorBook.Order.clear(Array("third".utf8)))",
                ]))
        // Once more: they are still owed.
        #expect(book.lost(unanswered: []).isEmpty)
        #expect(book.owedCount == 2)
        book.connected()
        #expect(book.settle(key, reader()) == true)
        #expect(book.takeOrders().count == 2)
        #expect(book.missing(key).count == 1)
    }

    @Test("What was found and is not cleared yet is owed when the connection ends")
    func halfMoved() {
        var book = connected()
        #expect(book.settle(key, reader()) == true)
        _ = book.takeOrders()
        _ = book.found(key) { .stored }
        let orders = book.takeOrders()
        _ = book.lost(unanswered: orders)
        #expect(book.owedCount == 1)
    }

    @Test("What cannot be stored here stays there, unless it is changed")
    func impossible() {
        var book = connected()
        #expect(book.settle(key, reader()) == true)
        #expect(book.found(key) { .impossible }.count == 1)
        #expect(book.takeOrders() == [.ask(key)])
        #expect(book.settle(key, changer()) == true)
        #expect(book.found(key) { .impossible }.isEmpty)
        #expect(book.takeOrders() == [.ask(key), .clear(key)])
    }

    @Test("A flush that it has not heard of comes first, and nothing on its way is stored")
    func flush() {
        var book = connected()
        let waiting = settlement()
        #expect(book.settle(key, reader()) == true)
        #expect(book.flush(at: 0, waiting) == true)
        let orders = book.takeOrders()
        #expect(orders == [.ask(key), .flush(at: 0)])
        #expect(book.lost(unanswered: orders).count == 2)
        book.connected()
        #expect(book.takeOrders().first == .flush(at: 0))
        let late = settlement()
        #expect(book.flush(at: 0, late) == true)
        #expect(book.settle(Array("new".utf8), reader()) == true)
        book.flushOverdue(late)
        _ = book.found(Array("new".utf8)) {
            Issue.record("stored")
            return .stored
        }
    }

    @Test("A server that is owed too much is given up, and one less is not")
    func givenUp() {
        var book = connected()
        _ = book.lost(unanswered: [])
        for number in 0..<PredecessorBook.owedCountMax { book.void(Array("\(number)".utf8)) }
        #expect(book.standing == .away)
        #expect(book.owedCount == PredecessorBook.owedCountMax)
        book.void(Array("0".utf8))
        #expect(book.standing == .away)
        book.void(key)
        #expect(book.standing == .givenUp)
        book.connected()
        #expect(book.settle(key, reader()) == false)
        #expect(book.takeOrders().isEmpty)
    }

    @Test("No more than so many keys are asked for at a time")
    func bound() {
        var book = connected()
        for number in 0..<PredecessorBook.askedCountMax {
            #expect(book.settle(Array("\(number)".utf8), reader()) == true)
        }
        #expect(book.settle(key, reader()) == false)
        _ = book.missing(Array("0".utf8))
        #expect(book.settle(key, reader()) == true)
    }
}
