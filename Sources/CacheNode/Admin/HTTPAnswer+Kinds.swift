import EventLoop

/// What is answered again and again.
extension HTTPAnswer {
    static func file(_ bytes: [UInt8], _ type: String) -> HTTPAnswer {
        HTTPAnswer(type: type, body: bytes)
    }

    static func json(_ text: String, status: Int = 200) -> HTTPAnswer {
        HTTPAnswer(status: status, type: "application/json", body: Array(text.utf8))
    }

    static func mistake(_ sentence: String, status: Int = 400) -> HTTPAnswer {
        json(JSON.object([("error", .text(sentence))]).text, status: status)
    }

    static func redirect(to path: String) -> HTTPAnswer {
        var answer = HTTPAnswer(status: 303, text: "")
        answer.headers.append(("Location", path))
        return answer
    }

    static func refused(_ text: String) -> HTTPAnswer {
        HTTPAnswer(status: 403, text: text)
    }

    static func putOff(_ seconds: Int) -> HTTPAnswer {
        var answer = HTTPAnswer(status: 429, text: "too soon after a wrong password\n")
        answer.headers.append(("Retry-After", String(seconds)))
        return answer
    }
}
