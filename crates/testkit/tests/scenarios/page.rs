//! A person at the page: the application specification of TodoMVC, in a real Chromium.

use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::environment::Environment;

type Done = Result<(), fantoccini::error::CmdError>;

/// Where the screenshots for people go, when the run is to make them.
const SCREENSHOTS: &str = "MAINSTAY_SCREENSHOTS";

/// Opens the page, and again as a person would whose page stays dead. Chromium drops the requests that wait for a
/// connection when the machine gets an address (`ERR_NETWORK_CHANGED`), and a new container's link gets its second one
/// about two seconds after `up` has ended.
async fn open(page: &Client, url: &str) -> Done {
    let has_list = "return performance.getEntriesByType('resource')
        .some(r => r.name.endsWith('/todos') && r.responseStatus === 200)";
    for _ in 0..5 {
        page.goto(url).await?;
        for _ in 0..100 {
            if page.execute(has_list, Vec::new()).await? == json!(true) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    panic!("the page at {url} does not ask for its list");
}

async fn add(page: &Client, title: &str) -> Done {
    let input = page.find(Locator::Css(".new-todo")).await?;
    input.send_keys(&format!("{title}{}", char::from(Key::Enter))).await
}

/// The visible titles.
async fn shown(page: &Client) -> Result<Value, fantoccini::error::CmdError> {
    let script = "return [...document.querySelectorAll('.todo-list li')].filter(li => li.getClientRects().length)
        .map(li => (li.classList.contains('completed') ? 'x ' : '') + li.querySelector('label').textContent)";
    page.execute(script, Vec::new()).await
}

async fn text(page: &Client, css: &str) -> Result<String, fantoccini::error::CmdError> {
    page.find(Locator::Css(css)).await?.text().await
}

async fn visible(page: &Client, css: &str) -> Result<bool, fantoccini::error::CmdError> {
    let script = "return !!document.querySelector(arguments[0])?.getClientRects().length";
    Ok(page.execute(script, vec![json!(css)]).await? == json!(true))
}

/// Waits until the visible titles are these; what comes from elsewhere comes soon, not at once.
async fn expect(page: &Client, titles: &[&str]) -> Done {
    let expected = json!(titles);
    for _ in 0..200 {
        if shown(page).await? == expected {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let told = "return [document.querySelector('.status').textContent, document.querySelector('.todo-list').outerHTML]";
    let told = page.execute(told, Vec::new()).await?;
    let list = page.execute_async("fetch('/todos').then(a => a.text()).then(arguments[0])", Vec::new()).await?;
    assert_eq!(shown(page).await?, expected, "the page says {told}, the server {list}");
    Ok(())
}

async fn item(page: &Client, number: usize, part: &str) -> Result<Element, fantoccini::error::CmdError> {
    page.find(Locator::Css(&format!(".todo-list li:nth-child({number}) {part}"))).await
}

/// Double click, as the specification has it.
async fn edit(page: &Client, number: usize) -> Result<Element, fantoccini::error::CmdError> {
    let script = "arguments[0].dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))";
    let label = serde_json::to_value(item(page, number, "label").await?)?;
    page.execute(script, vec![label]).await?;
    let input = page.wait().for_element(Locator::Css(".todo-list li.editing .edit")).await?;
    let clear = "arguments[0].value = ''";
    page.execute(clear, vec![serde_json::to_value(&input)?]).await?;
    Ok(input)
}

async fn keys(input: &Element, text: &str, key: Key) -> Done {
    input.send_keys(&format!("{text}{}", char::from(key))).await
}

async fn screenshot(page: &Client, name: &str) -> Done {
    if let Some(folder) = std::env::var_os(SCREENSHOTS) {
        let png = page.screenshot().await?;
        std::fs::write(std::path::Path::new(&folder).join(name), png).expect("the screenshot is written");
    }
    Ok(())
}

async fn adding(page: &Client) -> Done {
    assert!(!visible(page, ".main").await? && !visible(page, ".footer").await?, "an empty list shows no list");
    add(page, "  buy milk  ").await?;
    add(page, "   ").await?;
    expect(page, &["buy milk"]).await?;
    assert_eq!(text(page, ".todo-count").await?, "1 item left");
    add(page, "<b>walk</b> the dog").await?;
    add(page, "write a runbook").await?;
    expect(page, &["buy milk", "<b>walk</b> the dog", "write a runbook"]).await?;
    assert_eq!(text(page, ".todo-count").await?, "3 items left");
    assert_eq!(page.find(Locator::Css(".new-todo")).await?.prop("value").await?.as_deref(), Some(""));
    Ok(())
}

async fn completing(page: &Client) -> Done {
    assert!(!visible(page, ".clear-completed").await?);
    item(page, 2, ".toggle").await?.click().await?;
    expect(page, &["buy milk", "x <b>walk</b> the dog", "write a runbook"]).await?;
    assert_eq!(text(page, ".todo-count").await?, "2 items left");
    assert!(visible(page, ".clear-completed").await?);
    screenshot(page, "todomvc.png").await?;
    toggle_all(page).await?;
    expect(page, &["x buy milk", "x <b>walk</b> the dog", "x write a runbook"]).await?;
    toggle_all(page).await?;
    expect(page, &["buy milk", "<b>walk</b> the dog", "write a runbook"]).await?;
    item(page, 1, ".toggle").await?.click().await?;
    expect(page, &["x buy milk", "<b>walk</b> the dog", "write a runbook"]).await
}

async fn toggle_all(page: &Client) -> Done {
    // The box lies under its label, as in every TodoMVC: a person clicks the label.
    page.execute("document.querySelector('.toggle-all').click()", Vec::new()).await.map(drop)
}

async fn filtering(page: &Client, url: &str) -> Done {
    page.find(Locator::Css(".filters a[href='#/active']")).await?.click().await?;
    expect(page, &["<b>walk</b> the dog", "write a runbook"]).await?;
    assert_eq!(text(page, ".filters a.selected").await?, "Active");
    page.find(Locator::Css(".filters a[href='#/completed']")).await?.click().await?;
    expect(page, &["x buy milk"]).await?;
    page.refresh().await?;
    expect(page, &["x buy milk"]).await?;
    assert_eq!(text(page, ".filters a.selected").await?, "Completed", "the filter is kept on reload");
    page.back().await?;
    expect(page, &["<b>walk</b> the dog", "write a runbook"]).await?;
    page.goto(&format!("{url}#/")).await?;
    expect(page, &["x buy milk", "<b>walk</b> the dog", "write a runbook"]).await
}

async fn editing(page: &Client) -> Done {
    keys(&edit(page, 2).await?, "  walk the cat  ", Key::Enter).await?;
    expect(page, &["x buy milk", "walk the cat", "write a runbook"]).await?;
    keys(&edit(page, 2).await?, "nothing of this", Key::Escape).await?;
    expect(page, &["x buy milk", "walk the cat", "write a runbook"]).await?;
    edit(page, 2).await?.send_keys("walk the bird").await?;
    page.find(Locator::Css(".new-todo")).await?.click().await?;
    expect(page, &["x buy milk", "walk the bird", "write a runbook"]).await?;
    keys(&edit(page, 2).await?, "   ", Key::Enter).await?;
    expect(page, &["x buy milk", "write a runbook"]).await
}

async fn removing(page: &Client) -> Done {
    page.execute("document.querySelector('.todo-list li:nth-child(2) .destroy').click()", Vec::new()).await?;
    expect(page, &["x buy milk"]).await?;
    page.find(Locator::Css(".clear-completed")).await?.click().await?;
    expect(page, &[]).await?;
    assert!(!visible(page, ".main").await? && !visible(page, ".footer").await?);
    Ok(())
}

/// The console says nothing: no error, and no violation of the content security policy.
async fn console_is_clean(page: &Client) -> Done {
    let script =
        "return performance.getEntriesByType('resource').filter(r => r.responseStatus >= 400).map(r => r.name)";
    assert_eq!(page.execute(script, Vec::new()).await?, json!([]), "something was not found");
    Ok(())
}

#[tokio::test]
async fn the_application_specification() -> Done {
    let environment = Environment::new("page");
    let _ = environment.ok(&["up"]);
    let browser = Browser::start().await;
    let page = browser.window("one").await;
    let url = environment.url("/");
    open(&page, &url).await?;
    watch_for_violations(&page).await?;
    adding(&page).await?;
    completing(&page).await?;
    filtering(&page, &url).await?;
    watch_for_violations(&page).await?;
    editing(&page).await?;
    removing(&page).await?;
    console_is_clean(&page).await?;
    assert_eq!(page.execute("return window.violations", Vec::new()).await?, json!([]));
    page.close().await
}

async fn watch_for_violations(page: &Client) -> Done {
    let script =
        "window.violations = []; const note = e => window.violations.push(String(e.violatedDirective ?? e.message));
        addEventListener('securitypolicyviolation', note); addEventListener('error', note);";
    page.execute(script, Vec::new()).await.map(drop)
}

#[tokio::test]
async fn another_browser_sees_a_change_at_once_and_catches_up_after_a_restart() -> Done {
    let environment = Environment::new("both");
    let _ = environment.ok(&["up"]);
    let browser = Browser::start().await;
    let (one, two) = (browser.window("one").await, browser.window("two").await);
    open(&one, &environment.url("/")).await?;
    open(&two, &environment.url("/")).await?;
    add(&one, "seen by both").await?;
    expect(&two, &["seen by both"]).await?;
    item(&two, 1, ".toggle").await?.click().await?;
    expect(&one, &["x seen by both"]).await?;

    // The application goes away and comes back; what was typed meanwhile arrives, without a reload.
    two.execute("window.loadedOnce = true", Vec::new()).await?;
    let _ = testkit::environment::docker(&["stop", &environment.container("app")]);
    add(&one, "typed while it was away").await?;
    let _ = testkit::environment::docker(&["start", &environment.container("app")]);
    expect(&two, &["x seen by both", "typed while it was away"]).await?;
    expect(&one, &["x seen by both", "typed while it was away"]).await?;
    assert_eq!(two.execute("return window.loadedOnce", Vec::new()).await?, json!(true), "the page was reloaded");
    one.close().await?;
    two.close().await
}
