import Glibc

extension Int {
    /// With commas between thousands: `1,234,567`.
    package var grouped: String {
        var digits = Array(String(magnitude))
        for place in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: place) }
        return (self < 0 ? "-" : "") + String(digits)
    }
}

extension Double {
    /// With a number of decimals.
    package func fixed(_ decimals: Int) -> String {
        withVaList([Int32(decimals), self]) { arguments in
            var bytes = [CChar](repeating: 0, count: 400)
            let count = vsnprintf(&bytes, bytes.count, "%.*f", arguments)
            return String(
                decoding: bytes[..<max(0, Int(count))].map { UInt8(bitPattern: $0) },
                as: UTF8.self)
        }
    }

    /// Three digits that matter, from a thousandth to what is needed.
    package var short: String {
        self >= 100 ? Int(rounded()).grouped : fixed(self >= 10 ? 1 : self >= 1 ? 2 : 3)
    }

    /// Without decimals if it is whole.
    package var shortest: String { Int(exactly: self).map(String.init) ?? String(self) }

    package var percent: String { (self * 100).fixed(1) + " %" }
}
