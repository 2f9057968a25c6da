import Glibc

/// Numbers as people read them.
enum Figures {
    /// `1,234,567`
    static func grouped(_ number: Int) -> String {
        var digits = Array(String(number.magnitude))
        var place = digits.count - 3
        while place > 0 {
            digits.insert(",", at: place)
            place -= 3
        }
        return (number < 0 ? "-" : "") + String(digits)
    }

    static func decimal(_ number: Double, _ places: Int) -> String {
        withVaList([number]) { arguments in
            var bytes = [CChar](repeating: 0, count: 400)
            let count = vsnprintf(&bytes, bytes.count, "%.\(places)f", arguments)
            return String(
                decoding: bytes[..<max(0, Int(count))].map { UInt8(bitPattern: $0) },
                as: UTF8.self)
        }
    }

    /// Three digits that matter, from a nanosecond's thousandth to what is needed.
    static func short(_ number: Double) -> String {
        let places = number >= 100 ? 0 : number >= 10 ? 1 : number >= 1 ? 2 : 3
        return places == 0 ? grouped(Int(number.rounded())) : decimal(number, places)
    }
}

extension String {
    func padded(_ width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }

    func aligned(_ width: Int) -> String {
        String(repeating: " ", count: max(0, width - count)) + self
    }
}
