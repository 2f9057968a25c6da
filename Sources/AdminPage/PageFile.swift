/// The files of the operator's page, which are in the program: nothing is fetched from anywhere else.
package enum PageFile {
    package static var page: [UInt8] { PackageResources.page_html }
    package static var style: [UInt8] { PackageResources.page_css }
    package static var script: [UInt8] { PackageResources.page_js }
    package static var icon: [UInt8] { PackageResources.icon_svg }

    /// The form by which a person logs in.
    ///
    /// - Parameters:
    ///   - formToken: letters and digits.
    ///   - problem: what was wrong with the last try; nothing at the first one.
    package static func login(formToken: String, problem: String?) -> [UInt8] {
        let text = String(decoding: PackageResources.login_html, as: UTF8.self)
        let shown = problem.map { "<p class=\"problem\" role=\"alert\">\(escaped($0))</p>" } ?? ""
        var parts: [Substring] = []
        for (number, part) in text.split(separator: "%%", omittingEmptySubsequences: false)
            .enumerated()
        {
            switch (number.isMultiple(of: 2), part) {
            case (false, "FORM"): parts.append(Substring(escaped(formToken)))
            case (false, "PROBLEM"): parts.append(Substring(shown))
            default: parts.append(part)
            }
        }
        return Array(parts.joined().utf8)
    }

    /// As text in a page or in quotes.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
